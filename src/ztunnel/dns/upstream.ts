import { randomInt } from 'node:crypto'
import type { Clock } from '#shared/clock'
import { rcodes, type Transport } from '#shared/dns'
import { reasonOf } from '#shared/errors'
import type { SocketAddress } from '#shared/net'
import type { Netns } from '#shared/sys'
import { answersByTcp, askByTcp, askByUdp } from './exchange.ts'
import { idOf, isAnswerTo, isMoreOf, rcodeOf, withId } from './wire.ts'

export interface UpstreamOptions {
  readonly clock: Clock
  readonly servers: readonly SocketAddress[]
  readonly timeoutMs: number
  readonly attempts: number
  readonly isRotating: boolean
  /** SO_MARK; 0 = none. */
  readonly packetMark: number
}

export interface Forwarding {
  /** Of the pod: its network policies hold for its questions. */
  readonly netns: Netns
  readonly packet: Uint8Array
  readonly transport: Transport
  /** Whether this server must not be asked by this pod. */
  readonly isBarred: (server: SocketAddress) => boolean
  readonly signal: AbortSignal
}

/** Where an answer of many messages goes. */
export interface ReplyStream {
  /** Resolves when the next may come. @throws Error when nobody takes it any more */
  send(reply: Uint8Array): Promise<void>
  /** What was sent is not all: nobody must take it for that. */
  cut(): void
}

/** What became of an answer of many messages: nothing was sent, all that came, or only a part. */
export type Transferred =
  | Forwarded
  | { readonly kind: 'sent'; readonly messages: number }
  | { readonly kind: 'broken'; readonly reason: string }

export type Forwarded =
  | { readonly kind: 'answered'; readonly reply: Uint8Array; readonly rcode: number }
  | { readonly kind: 'failed'; readonly reason: string }

/** Codes by which a server says that another one may do better; resolvers go on with the next one then. */
const UNHELPFUL: ReadonlySet<number> = new Set([rcodes.SERVFAIL, rcodes.NOTIMP, rcodes.REFUSED])

/** However many servers and rounds there are: no resolver of a pod waits longer, and each question holds a place. */
const MAX_FORWARD_MS = 30_000
/** Of a zone that is transferred: so long a place and two connections are held. */
const MAX_TRANSFER_MS = 300_000
/** Zones that are transferred at the same time, of all pods. */
const MAX_TRANSFERS = 16

/**
 * The servers behind this one. A question reaches them byte by byte as the pod sent it, but for its id, by the transport
 * that the pod chose; so does the answer come back. What does not fit into UDP comes back cut, as it is, and the pod asks
 * again by TCP. Nothing is kept.
 */
export class Upstream {
  readonly #options: UpstreamOptions
  #rotation = 0
  #transfers = 0

  constructor(options: UpstreamOptions) {
    this.#options = options
  }

  /** Never rejects. */
  async forward({ netns, packet, transport, isBarred, signal }: Forwarding): Promise<Forwarded> {
    const { clock, timeoutMs, attempts, packetMark: mark } = this.#options
    const servers = this.#inTurn().filter((server) => !isBarred(server))
    if (servers.length === 0) return { kind: 'failed', reason: 'no server can be asked' }
    let unhelpful: Extract<Forwarded, { kind: 'answered' }> | undefined
    let reason = 'no time to ask'
    const untilMs = clock.monotonicMs() + MAX_FORWARD_MS
    for (let i = 0; i < attempts * servers.length; i++) {
      if (signal.aborted || clock.monotonicMs() >= untilMs) break
      const server = servers[i % servers.length] as SocketAddress
      // One that was answered needs no second round: the servers would only say it again.
      if (unhelpful !== undefined && i >= servers.length) break
      const message = withId(packet, randomInt(0x1_0000))
      const exchange = { netns, server, message, timeoutMs, mark, clock, signal }
      try {
        const answer = await (transport === 'udp' ? askByUdp(exchange) : askByTcp(exchange))
        const answered = { kind: 'answered', reply: withId(answer, idOf(packet)), rcode: rcodeOf(answer) } as const
        if (!UNHELPFUL.has(answered.rcode)) return answered
        unhelpful ??= answered
      } catch (error) {
        reason = reasonOf(error)
      }
    }
    return unhelpful ?? { kind: 'failed', reason }
  }

  /**
   * The same for a question whose answer may be many messages: each is sent on as it comes, and no server but the first
   * that has one is asked. An answer that breaks off is cut. Never rejects.
   */
  async transfer(forwarding: Forwarding, to: ReplyStream): Promise<Transferred> {
    if (this.#transfers >= MAX_TRANSFERS)
      return { kind: 'failed', reason: `${MAX_TRANSFERS} zones are being transferred` }
    this.#transfers++
    try {
      return await this.#transfer(forwarding, to)
    } finally {
      this.#transfers--
    }
  }

  async #transfer({ netns, packet, isBarred, signal }: Forwarding, to: ReplyStream): Promise<Transferred> {
    const { clock, timeoutMs, packetMark: mark } = this.#options
    const untilMs = clock.monotonicMs() + MAX_TRANSFER_MS
    let failed: Forwarded = { kind: 'failed', reason: 'no server can be asked' }
    for (const server of this.#inTurn().filter((one) => !isBarred(one))) {
      const message = withId(packet, randomInt(0x1_0000))
      let messages = 0
      try {
        for await (const answer of answersByTcp({ netns, server, message, timeoutMs, mark, clock, signal })) {
          if (!(messages === 0 ? isAnswerTo(message, answer) : isMoreOf(message, answer)))
            throw new Error('the server answered something else')
          const reply = withId(answer, idOf(packet))
          const rcode = rcodeOf(answer)
          if (messages === 0 && UNHELPFUL.has(rcode)) {
            failed = { kind: 'answered', reply, rcode }
            break
          }
          messages++
          await to.send(reply)
          if (clock.monotonicMs() > untilMs) throw new Error('the zone is too large')
        }
        if (messages > 0) return { kind: 'sent', messages }
      } catch (error) {
        if (messages > 0) {
          to.cut()
          return { kind: 'broken', reason: reasonOf(error) }
        }
        if (failed.kind === 'failed') failed = { kind: 'failed', reason: reasonOf(error) }
      }
    }
    return failed
  }

  #inTurn(): readonly SocketAddress[] {
    const { servers, isRotating } = this.#options
    if (!isRotating || servers.length < 2) return servers
    const first = this.#rotation++ % servers.length
    return [...servers.slice(first), ...servers.slice(0, first)]
  }
}
