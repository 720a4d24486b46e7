import { check, failure, libc } from '../libc.ts'
import type { Netns } from '../types.ts'
import { concat } from './attributes.ts'
import {
  decodeMessages,
  encodeMessage,
  errorOf,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Request,
} from './message.ts'
import { NetlinkError } from './netlink-error.ts'

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12

const AF_NETLINK = 16
const SOCK_RAW_FLAGS = 3 | 0o4000 | 0o2000000
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const MSG_TRUNC = 0x20
const SOCKADDR_NL = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

/** Room for a batch and its acknowledgements (each costs the kernel about 1 KiB of it). */
const BUFFER_BYTES = 8 << 20
/** The kernel makes dump datagrams of at most 32 KiB. */
const DATAGRAM_BYTES = 64 << 10
/** One for all sockets: what it receives is copied out before anything else is received. */
const datagram = new Uint8Array(DATAGRAM_BYTES)
/** How often a dump is begun again because the state changed under it. */
const MAX_DUMPS = 10

/**
 * A netlink socket in a namespace, for one piece of synchronous work: the kernel handles a request before `send`
 * returns, so every answer is already there and nothing here waits.
 * @throws MeshError `SYSCALL_FAILED`, `NETLINK_REJECTED`
 */
export function withNetlink<T>(netns: Netns, protocol: number, use: (socket: NetlinkSocket) => T): T {
  const fd = netns.run(() => check(libc.socket(AF_NETLINK, SOCK_RAW_FLAGS, protocol), 'socket(AF_NETLINK)'))
  try {
    check(libc.bind(fd, SOCKADDR_NL, SOCKADDR_NL.length), 'bind(AF_NETLINK)')
    // Best effort: in a user namespace the machine's limit holds (a batch of about 400 KiB, some 1,000 rules), and an old
    // kernel gives bare error numbers.
    for (const option of [SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE])
      setInt(fd, SOL_SOCKET, option, BUFFER_BYTES)
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) setInt(fd, SOL_NETLINK, option, 1)
    return use(new NetlinkSocket(fd))
  } finally {
    libc.close(fd)
  }
}

export class NetlinkSocket {
  readonly #fd: number
  #sequence = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  /**
   * Sends all in one datagram and checks the answer to each that asks for one (NLM_F_ACK).
   * @throws MeshError `NETLINK_REJECTED` naming the first that was refused
   */
  request(requests: readonly Request[]): void {
    const first = this.#sequence + 1
    const messages = requests.map((request) => this.#message(request))
    this.#send(concat(messages.map(encodeMessage)))
    const awaited = new Set(messages.filter(({ flags }) => flags & NLM_F_ACK).map(({ sequence }) => sequence))
    let refusal: NetlinkError | undefined
    while (awaited.size > 0) {
      const answers = this.#receive()
      // A batch that fails as a whole is answered once, for its first message, and the rest stays unanswered.
      if (answers === undefined) break
      for (const answer of answers) {
        if (answer.type !== NLMSG_ERROR) continue
        awaited.delete(answer.sequence)
        refusal ??= errorOf(answer, requests[answer.sequence - first]?.what ?? 'an unknown request')
      }
    }
    if (refusal !== undefined) throw refusal
    const [unanswered] = awaited
    if (unanswered !== undefined) throw new NetlinkError(requests[unanswered - first]?.what ?? '', 'ENOMSG')
  }

  /** Everything that a GET request lists. @throws MeshError `NETLINK_REJECTED` */
  dump(request: Request): Message[] {
    for (let tries = 1; ; tries++) {
      const { messages, isInterrupted } = this.#dumpOnce(request)
      if (!isInterrupted) return messages
      if (tries === MAX_DUMPS) throw new NetlinkError(request.what, 'EINTR', 'it keeps changing')
    }
  }

  #dumpOnce(request: Request): { messages: Message[]; isInterrupted: boolean } {
    const sent = this.#message({ ...request, flags: request.flags | NLM_F_DUMP })
    this.#send(encodeMessage(sent))
    const messages: Message[] = []
    let isInterrupted = false
    for (;;) {
      const answers = this.#receive()
      if (answers === undefined) throw new NetlinkError(request.what, 'ENOMSG')
      for (const answer of answers) {
        if (answer.sequence !== sent.sequence) continue
        isInterrupted ||= (answer.flags & NLM_F_DUMP_INTR) !== 0
        if (answer.type !== NLMSG_ERROR && answer.type !== NLMSG_DONE) {
          messages.push(answer)
          continue
        }
        const error = errorOf(answer, request.what)
        if (error === undefined) return { messages, isInterrupted }
        if (error.errno === 'EINTR') return { messages, isInterrupted: true }
        throw error
      }
    }
  }

  #message({ type, flags, body }: Request): Message {
    return { type, flags: flags | NLM_F_REQUEST, sequence: ++this.#sequence, body }
  }

  #send(bytes: Uint8Array): void {
    check(libc.send(this.#fd, bytes, bytes.length, 0), 'send to netlink')
  }

  /** The messages of the next datagram, copied out of the buffer; undefined when there is none. */
  #receive(): Message[] | undefined {
    const length = libc.recv(this.#fd, datagram, DATAGRAM_BYTES, MSG_TRUNC)
    if (length < 0) {
      const error = failure('recv from netlink')
      if (error.errno === 'EAGAIN') return undefined
      throw error
    }
    if (length > DATAGRAM_BYTES) throw new NetlinkError('reading an answer: it is too long', 'EMSGSIZE')
    return decodeMessages(datagram.slice(0, length))
  }
}

function setInt(fd: number, level: number, option: number, value: number): void {
  libc.setsockopt(fd, level, option, Int32Array.of(value), 4)
}
