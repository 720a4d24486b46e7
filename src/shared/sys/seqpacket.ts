import { chmodSync, fchmodSync, lstatSync, statSync, unlinkSync } from 'node:fs'
import { check, failure, libc } from './libc.ts'
import { MessageHeader } from './message-header.ts'
import { Pollable } from './pollable.ts'
import { AF_UNIX } from './sockaddr.ts'
import { SyscallError } from './syscall-error.ts'
import type { SeqPacketConnection, SeqPacketListener, SeqPacketMessage } from './types.ts'
import { withUnixAddress } from './unix-path.ts'

const SOCK_SEQPACKET = 5
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
/** Connections waiting to be accepted. */
const BACKLOG = 16

/** The longest packet received whole unless told otherwise, in bytes. */
const DEFAULT_PACKET_BYTES = 1024

/**
 * Listens at `path` for packets over Unix sockets (SOCK_SEQPACKET). A socket file that nobody listens on any more is
 * replaced; one that is served is an error.
 * @param mode permission bits of the socket file; connecting needs write permission
 * @throws MeshError `SYSCALL_FAILED`
 */
export function listenSeqPacket(path: string, mode: number, packetBytes?: number): SeqPacketListener {
  const fd = seqPacketSocket()
  try {
    removeStale(path)
    // The file is made with the descriptor's own mode, so it is never wider than asked; chmod undoes the umask.
    fchmodSync(fd, mode)
    withUnixAddress(path, (address) => check(libc.bind(fd, address, address.length), `bind ${path}`))
    chmodSync(path, mode)
    check(libc.listen(fd, BACKLOG), `listen ${path}`)
    return new Listener(fd, path, packetBytes ?? DEFAULT_PACKET_BYTES)
  } catch (error) {
    libc.close(fd)
    throw error
  }
}

/** @throws MeshError `SYSCALL_FAILED`: ENOENT, ECONNREFUSED (nobody listens), EAGAIN (too many wait), EACCES */
export function connectSeqPacket(path: string, packetBytes?: number): SeqPacketConnection {
  const fd = seqPacketSocket()
  try {
    withUnixAddress(path, (address) => check(libc.connect(fd, address, address.length), `connect ${path}`))
    return new Connection(fd, packetBytes ?? DEFAULT_PACKET_BYTES)
  } catch (error) {
    libc.close(fd)
    throw error
  }
}

function seqPacketSocket(): number {
  return check(libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
}

function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new SyscallError(`bind ${path}: there is something that is no socket`, 'EADDRINUSE')
  const probe = seqPacketSocket()
  try {
    const refused = withUnixAddress(path, (address) => {
      if (libc.connect(probe, address, address.length) === 0) return false
      return failure('connect').errno === 'ECONNREFUSED'
    })
    if (!refused) throw new SyscallError(`bind ${path}: another process serves it`, 'EADDRINUSE')
    unlinkSync(path)
  } finally {
    libc.close(probe)
  }
}

class Connection implements SeqPacketConnection {
  readonly #pollable: Pollable
  readonly #header: MessageHeader

  constructor(fd: number, packetBytes: number) {
    this.#pollable = new Pollable(fd)
    this.#header = new MessageHeader(packetBytes)
  }

  send(bytes: Uint8Array, fds: readonly number[] = []): Promise<void> {
    return this.#pollable.until(
      () => (this.#header.send(this.#pollable.fd, bytes, fds) ? { value: undefined } : undefined),
      sendAfterClose,
    )
  }

  receive(signal?: AbortSignal): Promise<SeqPacketMessage | undefined> {
    return this.#pollable.until<SeqPacketMessage | undefined>(
      () => {
        const received = this.#header.receive(this.#pollable.fd)
        if (received.kind === 'nothing yet') return undefined
        return { value: received.kind === 'end' ? undefined : received }
      },
      () => undefined,
      signal,
    )
  }

  async close(): Promise<void> {
    this.#pollable.close()
  }
}

function sendAfterClose(): never {
  throw new SyscallError('sendmsg on a closed connection', 'EPIPE')
}

class Listener implements SeqPacketListener {
  readonly #pollable: Pollable
  readonly #path: string
  readonly #packetBytes: number
  readonly #inode: bigint

  constructor(fd: number, path: string, packetBytes: number) {
    this.#inode = statSync(path, { bigint: true }).ino
    this.#path = path
    this.#packetBytes = packetBytes
    this.#pollable = new Pollable(fd)
  }

  accept(signal?: AbortSignal): Promise<SeqPacketConnection | undefined> {
    return this.#pollable.until<SeqPacketConnection | undefined>(
      () => {
        const fd = libc.accept4(this.#pollable.fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if (fd >= 0) return { value: new Connection(fd, this.#packetBytes) }
        const error = failure('accept4')
        if (error.errno === 'EAGAIN' || error.errno === 'ECONNABORTED') return undefined
        throw error
      },
      () => undefined,
      signal,
    )
  }

  async close(): Promise<void> {
    if (this.#pollable.isClosed) return
    this.#pollable.close()
    // A successor may already have put its own socket there.
    if (lstatSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode) unlinkSync(this.#path)
  }
}
