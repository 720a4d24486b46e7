import { setMaxListeners } from 'node:events'
import type { Clock } from '#shared/clock'
import {
  type KindReader,
  type ObjectChange,
  type ObjectOf,
  type ObjectProblem,
  type ObjectSource,
  ObjectTable,
} from '#shared/k8s'
import type { Logger } from '#shared/telemetry'
import { DEFAULT_TIMES, KindWatch, type WatchedKind, type WatchTimes } from './kind-watch.ts'
import { ServerHistory } from './server-history.ts'
import type { KubeClient } from './types.ts'

export interface ApiWatchSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly times?: WatchTimes
  /**
   * Subscribers have been told of everything up to that revision of a kind. Not called for a kind of which only a part is
   * followed, as the others' revisions never come.
   */
  readonly onRevision?: (reader: KindReader, revision: string) => void
}

/**
 * The objects of these kinds that the API server has, kept up to date; each kind on its own. Nothing is told twice, a
 * server that is gone changes nothing, and what could not be read keeps its last good form.
 *
 * `synced` waits for every kind that the server serves; `problems` names objects that cannot be read, and kinds that
 * cannot be followed now.
 */
export function watchApi(
  client: Pick<KubeClient, 'listPage' | 'watch' | 'server'>,
  kinds: readonly WatchedKind[],
  settings: ApiWatchSettings,
): ObjectSource {
  return new ApiSource(client, kinds, settings)
}

class ApiSource implements ObjectSource {
  readonly synced: Promise<void>
  readonly #table = new ObjectTable()
  readonly #watches: readonly KindWatch[]
  readonly #stop = new AbortController()

  constructor(
    client: Pick<KubeClient, 'listPage' | 'watch' | 'server'>,
    kinds: readonly WatchedKind[],
    { clock, logger, times = DEFAULT_TIMES, onRevision = () => {} }: ApiWatchSettings,
  ) {
    const { signal } = this.#stop
    // One listener for each kind, request and pause of a few.
    setMaxListeners(0, signal)
    const history = new ServerHistory(client, logger, signal)
    const parts = { client, history, table: this.#table, clock, logger, times, onRevision, signal }
    this.#watches = kinds.map((kind) => new KindWatch(kind, parts))
    this.synced = Promise.all(this.#watches.map(({ synced }) => synced)).then(() => {})
  }

  get problems(): readonly ObjectProblem[] {
    return this.#watches.flatMap(({ problems }) => problems)
  }

  subscribe<K extends string>(kind: K, listener: (change: ObjectChange<ObjectOf<K>>) => void): () => void {
    return this.#table.subscribe(kind, listener)
  }

  /** Nothing is told after this was called. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#watches.map(({ ended }) => ended))
  }
}
