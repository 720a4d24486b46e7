import { addressOf, failure, libc } from './libc.ts'
import { SOL_SOCKET } from './socket-options.ts'

/** Descriptors that one packet may carry here; the kernel's own limit is 253. */
export const MAX_FDS = 8

const SCM_RIGHTS = 1
const MSG_CTRUNC = 0x8
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000

/** sizeof(struct cmsghdr) on 64 bit: length u64, level i32, type i32. */
const CMSG_HEADER_BYTES = 16
const FD_BYTES = 4
/** CMSG_SPACE(MAX_FDS descriptors). */
const CONTROL_BYTES = CMSG_HEADER_BYTES + MAX_FDS * FD_BYTES

/** Words of `struct msghdr` followed by its one `struct iovec` (64 bit). */
const IOV = 2
const IOV_COUNT = 3
const CONTROL = 4
const CONTROL_LENGTH = 5
const FLAGS = 6
const IOV_BASE = 7
const IOV_LENGTH = 8

/** What recvmsg gave, or that there is nothing yet. */
export type Received =
  | {
      readonly kind: 'packet'
      readonly bytes: Uint8Array
      readonly fds: readonly number[]
      readonly isTruncated: boolean
    }
  | { readonly kind: 'end' }
  | { readonly kind: 'nothing yet' }

/**
 * `struct msghdr` with one buffer and room for descriptors, laid out by hand and used for one call at a time. What a
 * packet brings is copied out, so that the next call may overwrite it.
 */
export class MessageHeader {
  readonly #words = new BigUint64Array(9)
  readonly #control = new Uint8Array(CONTROL_BYTES)
  readonly #buffer: Uint8Array
  readonly #iovAddress = addressOf(this.#words) + BigInt(IOV_BASE * 8)
  readonly #controlAddress = addressOf(this.#control)

  /** @param bufferBytes the longest packet that is received whole */
  constructor(bufferBytes: number) {
    this.#buffer = new Uint8Array(bufferBytes)
  }

  /** @returns false when the peer's queue is full @throws MeshError `SYSCALL_FAILED`, EPIPE when the peer is gone */
  send(fd: number, bytes: Uint8Array, fds: readonly number[]): boolean {
    if (fds.length > MAX_FDS) throw new RangeError(`${fds.length} descriptors in one packet, at most ${MAX_FDS}`)
    const control = new DataView(this.#control.buffer)
    const controlBytes = CMSG_HEADER_BYTES + fds.length * FD_BYTES
    control.setBigUint64(0, BigInt(controlBytes), true)
    control.setInt32(8, SOL_SOCKET, true)
    control.setInt32(12, SCM_RIGHTS, true)
    for (const [i, sent] of fds.entries()) control.setInt32(CMSG_HEADER_BYTES + i * FD_BYTES, sent, true)
    this.#lay(bytes, fds.length === 0 ? 0 : controlBytes)
    if (libc.sendmsg(fd, this.#words, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true
    const error = failure('sendmsg')
    if (error.errno === 'EAGAIN') return false
    throw error
  }

  /** Received descriptors are close-on-exec and the caller's. @throws MeshError `SYSCALL_FAILED` */
  receive(fd: number): Received {
    this.#lay(this.#buffer, CONTROL_BYTES)
    const length = libc.recvmsg(fd, this.#words, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    if (length < 0) {
      const error = failure('recvmsg')
      if (error.errno === 'EAGAIN') return { kind: 'nothing yet' }
      // The peer went away and left unread what we had sent. The kernel says so once, before what the peer has sent itself.
      if (error.errno === 'ECONNRESET') return this.receive(fd)
      throw error
    }
    const fds = this.#receivedFds()
    // An empty packet would look the same as the end of the stream; no protocol here sends one.
    if (length === 0 && fds.length === 0) return { kind: 'end' }
    const flags = Number(this.#words[FLAGS])
    const isTruncated = (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0
    return { kind: 'packet', bytes: this.#buffer.slice(0, length), fds, isTruncated }
  }

  #lay(bytes: Uint8Array, controlBytes: number): void {
    const words = this.#words
    words.fill(0n)
    words[IOV] = this.#iovAddress
    words[IOV_COUNT] = 1n
    words[CONTROL] = controlBytes === 0 ? 0n : this.#controlAddress
    words[CONTROL_LENGTH] = BigInt(controlBytes)
    words[IOV_BASE] = addressOf(bytes)
    words[IOV_LENGTH] = BigInt(bytes.length)
  }

  #receivedFds(): number[] {
    const control = new DataView(this.#control.buffer)
    const end = Number(this.#words[CONTROL_LENGTH])
    const fds: number[] = []
    let offset = 0
    while (offset + CMSG_HEADER_BYTES <= end) {
      const length = Number(control.getBigUint64(offset, true))
      if (length < CMSG_HEADER_BYTES || offset + length > end) break
      if (control.getInt32(offset + 8, true) === SOL_SOCKET && control.getInt32(offset + 12, true) === SCM_RIGHTS) {
        for (let at = offset + CMSG_HEADER_BYTES; at + FD_BYTES <= offset + length; at += FD_BYTES) {
          fds.push(control.getInt32(at, true))
        }
      }
      offset += (length + 7) & ~7
    }
    return fds
  }
}
