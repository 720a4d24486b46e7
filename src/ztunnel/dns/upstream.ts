import { randomInt } from 'node:crypto'
import type { Clock } from '#shared/clock'
import { rcodes, type Transport } from '#shared/dns'
import { reasonOf } from '#shared/errors'
import type { SocketAddress } from '#shared/net'
import type { Netns } from '#shared/sys'
import { askByTcp, askByUdp } from './exchange.ts'
import { idOf, rcodeOf, withId } from './wire.ts'

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

export type Forwarded =
  | { readonly kind: 'answered'; readonly reply: Uint8Array; readonly rcode: number }
  | { readonly kind: 'failed'; readonly reason: string }

/** Codes by which a server says that another one may do better; resolvers go on with the next one then. */
const UNHELPFUL: ReadonlySet<number> = new Set([rcodes.SERVFAIL, rcodes.NOTIMP, rcodes.REFUSED])

/** However many servers and rounds there are: no resolver of a pod waits longer, and each question holds a place. */
const MAX_FORWARD_MS = 30_000

/**
 * The servers behind this one. A question reaches them byte by byte as the pod sent it, but for its id, by the transport
 * that the pod chose; so does the answer come back. What does not fit into UDP comes back cut, as it is, and the pod asks
 * again by TCP. Nothing is kept.
 */
export class Upstream {
  readonly #options: UpstreamOptions
  #rotation = 0

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

  #inTurn(): readonly SocketAddress[] {
    const { servers, isRotating } = this.#options
    if (!isRotating || servers.length < 2) return servers
    const first = this.#rotation++ % servers.length
    return [...servers.slice(first), ...servers.slice(0, first)]
  }
}
