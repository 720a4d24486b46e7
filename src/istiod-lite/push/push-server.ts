import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Workload } from '#shared/model'
import type { Logger, Metrics } from '#shared/telemetry'
import {
  AdsServer,
  type AdsServerObserver,
  type Authenticator,
  type ClientStatus,
  type PushMark,
  type RpcHandler,
} from '#shared/xds'
import type { Collection, Graph } from '../collections/index.ts'
import { ClientLog, type SyncState, syncState, type TypeProgress } from './client-log.ts'
import { type Changes, Debounce, type DebounceSettings } from './debounce.ts'
import { Departures } from './departures.ts'
import { type PushMetrics, registerPushMetrics, shortType } from './push-metrics.ts'
import type { PushType } from './push-type.ts'
import type { RevisionJournal, RevisionPlace } from './revision-journal.ts'
import { isOver, type Rollout, rolloutOf } from './rollout.ts'

/** Who would have to wait longer for its turn is told to come back. */
const LONGEST_STREAM_WAIT_MS = 10_000

export interface PushSettings {
  /** What can be asked for. */
  readonly types: readonly PushType[]
  readonly graph: Graph
  readonly journal: RevisionJournal
  /** Proxies run in pods that are among them. */
  readonly workloads: Collection<Workload>
  readonly debounce: DebounceSettings
  /** How many new clients are let in a second. */
  readonly streamsPerSecond: number
  readonly authenticate: Authenticator
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** One client in a dump. */
export interface PushClient extends Omit<ClientStatus, 'watches'> {
  readonly watches: readonly PushWatch[]
}

/** What a client has of one type. */
export interface PushWatch {
  readonly typeUrl: string
  readonly mode: 'wildcard' | 'on-demand'
  readonly heldCount: number
  readonly state: SyncState
  /** Since the first change that the client has not answered; 0 when there is none. */
  readonly lagMs: number
  readonly behind: PushMark | undefined
  readonly progress: TypeProgress | undefined
}

/**
 * Changes of the mesh → clients. A burst of changes is gathered (`Debounce`) and becomes one push; then each client's own
 * pending set gets the names (`AdsServer`), and a client is sent what they stand for when it has answered what it got
 * before.
 */
export class PushServer implements Closer {
  readonly #ads: AdsServer
  readonly #graph: Graph
  readonly #journal: RevisionJournal
  readonly #clock: Clock
  readonly #log: ClientLog
  readonly #departures: Departures
  readonly #debounce: Debounce
  readonly #ends: readonly (() => void)[]
  readonly #onMoved = new Set<() => void>()
  #pushes = 0
  /** Something changed since the journal was settled last. */
  #hasChanged = false

  constructor(settings: PushSettings) {
    const { types, clock, logger, metrics } = settings
    const byUrl = new Map(types.map((type) => [type.typeUrl, type]))
    this.#graph = settings.graph
    this.#journal = settings.journal
    this.#clock = clock
    this.#log = new ClientLog(clock, () => this.#pushes)
    this.#departures = new Departures(clock)
    const counted = registerPushMetrics(metrics, clock, this.#log)
    this.#ads = new AdsServer({
      source: (client, typeUrl) => byUrl.get(typeUrl)?.view(client),
      authenticate: settings.authenticate,
      gate: {
        perSecond: settings.streamsPerSecond,
        burst: settings.streamsPerSecond,
        longestWaitMs: LONGEST_STREAM_WAIT_MS,
      },
      clock,
      log: logger,
      observer: this.#observe(counted, logger),
    })
    this.#debounce = new Debounce(clock, settings.debounce, (changes, sinceMs) => this.#push(changes, sinceMs, counted))
    this.#ends = [...types.map((type) => this.#follow(type)), this.#followPods(settings.workloads)]
    // Part of what each client is sent when it comes.
    this.#journal.settled(0)
  }

  /** To be put on the gRPC server. */
  get handler(): RpcHandler {
    return this.#ads.handler
  }

  clients(): readonly PushClient[] {
    const nowMs = this.#clock.monotonicMs()
    return this.#ads.clients().map(({ watches, ...client }) => ({
      ...client,
      watches: watches.map(({ typeUrl, mode, heldCount, behind }) => {
        const progress = this.#log.progress(client.id, typeUrl)
        const lagMs = behind === undefined ? 0 : Math.max(0, Math.round(nowMs - behind.changedAtMs))
        return { typeUrl, mode, heldCount, behind, lagMs, progress, state: syncState(progress, behind) }
      }),
    }))
  }

  /** Names and versions that a client holds, by type. */
  heldBy(clientId: number): Readonly<Record<string, unknown>> {
    return this.#ads.heldBy(clientId)
  }

  /** For people. */
  status(): unknown {
    const clients = this.clients()
    const watches = clients.flatMap(({ node, watches }) => watches.map((watch) => ({ proxy: node.id, ...watch })))
    const lacking = watches.filter(({ state }) => state !== 'SYNCED')
    return {
      pushes: this.#pushes,
      isGathering: this.#debounce.isPending,
      waitingToEnter: this.#ads.waitingToEnter,
      clients: clients.length,
      notSynced: lacking.map(({ proxy, typeUrl, state, lagMs }) => ({ proxy, typeUrl, state, lagMs })),
    }
  }

  /** Ends the streams of a node, which comes back. @returns how many there were */
  disconnect(nodeId: string): number {
    return this.#ads.disconnect(nodeId)
  }

  /** The journal was told of revisions: what they change is derived, and they are booked. */
  settle(): void {
    this.#graph.settle()
    if (this.#journal.isSettled) return
    this.#journal.settled(this.#hasChanged ? this.#newestPush : undefined)
    this.#hasChanged = false
    this.#moved()
  }

  /**
   * How far everything up to that revision of a kind has come; answered when nothing is left to wait for, or after
   * `waitMs`.
   *
   * @param of undefined: everything that is known now
   */
  async rollout(
    of: { readonly kind: string; readonly revision: string } | undefined,
    waitMs: number,
  ): Promise<Rollout> {
    this.settle()
    const newest = this.#newestPush
    const untilMs = this.#clock.monotonicMs() + waitMs
    for (;;) {
      const place: RevisionPlace =
        of === undefined ? { kind: 'pushed', push: newest } : this.#journal.find(of.kind, of.revision, this.#newestPush)
      const rollout = this.#rolloutAt(place)
      const leftMs = untilMs - this.#clock.monotonicMs()
      if (isOver(rollout) || leftMs <= 0) return rollout
      await this.#nextMove(leftMs)
    }
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end()
    this.#debounce.close()
    await this.#ads.close()
  }

  /** What has been derived by now is part of that push. */
  get #newestPush(): number {
    return this.#debounce.isPending ? this.#pushes + 1 : this.#pushes
  }

  #rolloutAt(place: RevisionPlace): Rollout {
    if (place.kind !== 'pushed') return { state: place.kind }
    const told = rolloutOf(place.push, this.clients(), this.#departures.without(place.push))
    // Nobody has been told of it as long as it is being gathered.
    return place.push > this.#pushes ? { state: 'unseen' } : told
  }

  #follow({ typeUrl, resources }: PushType): () => void {
    // What is there before the first client can come is nothing that changed.
    let isFollowing = false
    const end = resources.subscribe((changes) => {
      if (!isFollowing) return
      this.#hasChanged = true
      this.#debounce.add(
        typeUrl,
        changes.map((change) => change.key),
      )
    })
    isFollowing = true
    return end
  }

  #push(changes: Changes, sinceMs: number, counted: PushMetrics): void {
    const mark: PushMark = { push: ++this.#pushes, changedAtMs: sinceMs, toldAtMs: this.#clock.monotonicMs() }
    counted.pushed(mark, changes)
    for (const [typeUrl, names] of changes) this.#ads.push(typeUrl, names, mark)
    this.#moved()
  }

  #followPods(workloads: Collection<Workload>): () => void {
    return workloads.subscribe((changes) => {
      const deleted = changes.filter(({ type }) => type === 'deleted')
      const missed = deleted.filter(({ key }) => {
        const [, , kind, namespace = '', name = ''] = key.split('/')
        return kind === 'Pod' && this.#departures.podGone(namespace, name)
      })
      if (missed.length > 0) this.#moved()
    })
  }

  #moved(): void {
    for (const tell of [...this.#onMoved]) tell()
  }

  /** Resolves when a client answers, comes or leaves, or a change is told; `withinMs` at the latest. */
  #nextMove(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#onMoved.delete(done)
        resolve()
      }
      const timer = this.#clock.setTimer(withinMs, done)
      this.#onMoved.add(done)
    })
  }

  /** Books first, then numbers, then the log. */
  #observe(counted: PushMetrics, logger: Logger): AdsServerObserver {
    const log = this.#log
    return {
      connected: (client) => {
        log.connected(client)
        this.#departures.returned(client.node.id)
        counted.connected?.(client)
        logger.info('client connected', { client: client.node.id, peer: client.peer.address, id: client.id })
        this.#moved()
      },
      disconnected: (client, behind) => {
        log.disconnected(client)
        this.#departures.left(client.node.id, behind === undefined ? this.#pushes : behind.push - 1)
        counted.disconnected?.(client, behind)
        logger.info('client disconnected', { client: client.node.id, peer: client.peer.address, id: client.id })
        this.#moved()
      },
      sent: (client, response) => {
        log.sent(client, response)
        counted.sent?.(client, response)
        logger.debug('pushed', {
          client: client.node.id,
          type: shortType(response.typeUrl),
          changed: response.changed.length,
          removed: response.removed.length,
          bytes: response.bytes,
        })
      },
      acknowledged: (client, typeUrl, nonce) => {
        counted.acknowledged?.(client, typeUrl, nonce)
        log.acknowledged(client, typeUrl, nonce)
        this.#moved()
      },
      rejected: (client, typeUrl, nonce, message) => {
        counted.rejected?.(client, typeUrl, nonce, message)
        log.rejected(client, typeUrl, nonce, message)
        logger.error('client rejected resources', {
          client: client.node.id,
          type: shortType(typeUrl),
          reason: message.slice(0, 1024),
        })
        this.#moved()
      },
      failed: () => counted.failed?.(),
    }
  }
}
