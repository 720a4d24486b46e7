import type { Clock } from '#shared/clock'
import { Canceller, type Drainable, type DrainOrder } from '#shared/lifecycle'
import { type ByteChannel, ChannelCopy } from '#shared/net'
import type { Authorizer } from './authz/index.ts'
import type { Balancer, ClusterBackend, Picked, WorkloadBackend } from './balance/index.ts'
import type { InnerConnection, UnreadConnection } from './listen/index.ts'
import type { ConnectionFacts, Reporter } from './reporting/index.ts'
import type { Router } from './route/index.ts'
import type { WaypointView } from './state/index.ts'
import type { Upstream } from './upstream/index.ts'

export interface ByteParts {
  readonly clock: Clock
  readonly view: WaypointView
  readonly authorizer: Authorizer
  readonly router: Router
  readonly balancer: Balancer
  readonly upstream: Upstream
  readonly reporter: Reporter
}

/** Connections whose bytes nobody reads: by name of TLS and weight, as long as policies of connections let them. */
export class ByteConnections {
  readonly #parts: ByteParts
  readonly #open = new Set<ByteConnection>()

  constructor(parts: ByteParts) {
    this.#parts = parts
  }

  serve(connection: InnerConnection): Drainable {
    const work = new ByteConnection(connection, this.#parts)
    this.#open.add(work)
    void work.run().finally(() => this.#open.delete(work))
    return work
  }

  /** What policies would not let in any more is cut. */
  policiesChanged(): void {
    for (const work of [...this.#open]) work.askAgain()
  }
}

/**
 * The way to the server of a client that says nothing: the server may speak first. It is let through as any connection of
 * bytes is, and has its place given back at once, as nobody knows whether it will be used.
 */
export async function dialForSilent(unread: UnreadConnection, parts: ByteParts): Promise<ByteChannel | undefined> {
  const connection: InnerConnection = { ...unread, protocol: 'tcp', channel: NOTHING_SAID }
  if (parts.authorizer.authorizeConnection(connection) !== undefined) return undefined
  const to = parts.router.matchStream(connection, undefined, unread.dialled?.ip)
  if (to === undefined || to.kind === 'failed') return undefined
  const picked = pickFor(to, connection, parts.balancer)
  if (typeof picked === 'string') return undefined
  try {
    const server = await parts.upstream.openBytes(picked, new Canceller())
    places.set(server, picked)
    return server
  } finally {
    picked.done({ kind: 'given-up' })
  }
}

/** Who was chosen for a channel that was opened before its connection was served. */
const places = new WeakMap<ByteChannel, Picked>()

class ByteConnection implements Drainable {
  readonly #connection: InnerConnection
  readonly #parts: ByteParts
  readonly #given = new Canceller()
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers()
  #copy: ChannelCopy | undefined

  constructor(connection: InnerConnection, parts: ByteParts) {
    this.#connection = connection
    this.#parts = parts
  }

  askAgain(): void {
    if (this.#parts.authorizer.authorizeConnection(this.#connection) !== undefined) this.#cut()
  }

  /** It goes on to its end, or is cut at the deadline: nobody knows where one could stop. */
  async drain({ deadlineMs }: DrainOrder): Promise<void> {
    const timer = this.#parts.clock.setTimer(deadlineMs, () => this.#cut())
    await this.#ended.promise
    timer.cancel()
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { clock, view, authorizer, router, reporter } = this.#parts
    const { channel, destination, source, peer, sni, dialled, server } = this.#connection
    const openedAtMs = clock.monotonicMs()
    const service = destination.kind === 'service' ? destination.service : undefined
    const told = (picked: Picked | undefined): ConnectionFacts => ({
      source: view.mesh.workloadByIp(view.network, source.ip),
      sourceAddress: source,
      principal: peer,
      service,
      port: destination.port,
      picked,
      openedAtMs,
    })
    const refused = (flag: string): void => {
      reporter.connectionOpened(told(undefined), NO_BYTES)(flag)
      channel.destroy()
      this.#ended.resolve()
    }
    if (authorizer.authorizeConnection(this.#connection) !== undefined) {
      server?.destroy()
      return refused('-')
    }
    const early = server && places.get(server)
    if (server !== undefined && early !== undefined) {
      await this.#carry(server, early, told(early))
      return
    }
    const to = router.matchStream(this.#connection, sni, dialled?.ip)
    if (to === undefined || to.kind === 'failed') return refused('NR')
    const picked = pickFor(to, this.#connection, this.#parts.balancer)
    if (typeof picked === 'string') return refused(picked)
    let other: ByteChannel
    try {
      other = await this.#parts.upstream.openBytes(picked, this.#given)
    } catch {
      picked.done({ kind: 'failed', isLocalOrigin: true })
      return refused('UF')
    }
    await this.#carry(other, picked, told(picked))
  }

  async #carry(server: ByteChannel, picked: Picked, facts: ConnectionFacts): Promise<void> {
    const copy = new ChannelCopy(this.#connection.channel, server)
    this.#copy = copy
    const close = this.#parts.reporter.connectionOpened(facts, copy.meter)
    const { endedBy, error } = await copy.done
    picked.done(
      endedBy === 'target' && error !== undefined ? { kind: 'failed', isLocalOrigin: false } : { kind: 'given-up' },
    )
    close(endedBy === 'target' && error !== undefined ? 'UC' : '-')
    this.#ended.resolve()
  }

  #cut(): void {
    this.#given.cancel()
    this.#copy?.abort()
    this.#connection.channel.destroy()
  }
}

function pickFor(
  to: ClusterBackend | WorkloadBackend,
  connection: InnerConnection,
  balancer: Balancer,
): Picked | 'NC' | 'UH' | 'UO' {
  const picked = balancer.pick(to, {
    exchange: { connection, request: undefined },
    avoid: [],
    isRetry: false,
    usesRemoteLocalities: false,
    dialled: connection.dialled,
  })
  switch (picked) {
    case 'no-cluster':
      return 'NC'
    case 'no-healthy-endpoint':
      return 'UH'
    case 'too-many-requests':
      return 'UO'
    default:
      return picked
  }
}

const NO_BYTES = { sentBytes: 0, receivedBytes: 0 }

const NOTHING_SAID: ByteChannel = {
  start: () => {},
  write: () => {},
  isCongested: false,
  consumed: () => {},
  end: () => {},
  destroy: () => {},
  isClosed: true,
}
