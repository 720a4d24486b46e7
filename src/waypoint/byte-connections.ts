import type { Clock } from '#shared/clock'
import { Canceller, type Drainable, type DrainOrder } from '#shared/lifecycle'
import { ChannelCopy } from '#shared/net'
import type { Authorizer } from './authz/index.ts'
import type { Balancer, ClusterBackend, Picked, WorkloadBackend } from './balance/index.ts'
import type { InnerConnection } from './listen/index.ts'
import type { Reporter } from './reporting/index.ts'
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

/** Carries a connection whose bytes nobody reads, by name of TLS and weight, once policies of connections let it. */
export function serveBytes(connection: InnerConnection, parts: ByteParts): Drainable {
  const work = new ByteConnection(connection, parts)
  void work.run()
  return work
}

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

  /** It goes on to its end, or is cut at the deadline: nobody knows where one could stop. */
  async drain({ deadlineMs }: DrainOrder): Promise<void> {
    const timer = this.#parts.clock.setTimer(deadlineMs, () => this.#cut())
    await this.#ended.promise
    timer.cancel()
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { clock, view, authorizer, router, reporter } = this.#parts
    const { channel, destination, source, peer, sni, dialled } = this.#connection
    const openedAtMs = clock.monotonicMs()
    const service = destination.kind === 'service' ? destination.service : undefined
    const told = (picked: Picked | undefined) => ({
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
    if (authorizer.authorizeConnection(this.#connection) !== undefined) return refused('-')
    const to = router.matchStream(this.#connection, sni, dialled?.ip)
    if (to === undefined || to.kind === 'failed') return refused('NR')
    const picked = this.#pick(to)
    if (typeof picked === 'string') return refused(picked)
    try {
      const other = await this.#parts.upstream.openBytes(picked, this.#given)
      this.#copy = new ChannelCopy(channel, other)
    } catch {
      picked.done({ kind: 'failed', isLocalOrigin: true })
      return refused('UF')
    }
    const close = reporter.connectionOpened(told(picked), this.#copy.meter)
    const { endedBy, error } = await this.#copy.done
    picked.done(
      endedBy === 'target' && error !== undefined ? { kind: 'failed', isLocalOrigin: false } : { kind: 'given-up' },
    )
    close(endedBy === 'target' && error !== undefined ? 'UC' : '-')
    this.#ended.resolve()
  }

  #pick(to: ClusterBackend | WorkloadBackend): Picked | 'NC' | 'UH' | 'UO' {
    const { dialled } = this.#connection
    const picked = this.#parts.balancer.pick(to, {
      exchange: { connection: this.#connection, request: undefined },
      avoid: [],
      isRetry: false,
      usesRemoteLocalities: false,
      dialled,
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

  #cut(): void {
    this.#given.cancel()
    this.#copy?.abort()
    this.#connection.channel.destroy()
  }
}

const NO_BYTES = { sentBytes: 0, receivedBytes: 0 }
