import { MeshError, reasonOf } from '#shared/errors'
import type { Closer, Readiness } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { WorkloadInfo, ZdsHandler, ZdsServer } from '#shared/zds'

/** The readiness task of the node agent's side, by Istio's name. */
const READINESS_TASK = 'workload proxy manager'

/** Where one worker takes its pods. */
export interface Shard {
  readonly zds: Pick<ZdsServer, 'add' | 'delete'>
  /** Where it takes connections of a tunnel that ends. */
  readonly heirPath: string
  /** Resolves when a process of the worker has got its snapshot; at once while one has. */
  serving(): Promise<void>
}

export interface PodShardsOptions {
  readonly shards: readonly Shard[]
  readonly readiness: Readiness
  readonly log: Logger
}

interface PlacedPod {
  readonly netns: Netns
  readonly shard: Shard
}

/**
 * The node agent's pods, each given to the worker that has the fewest: a pod's sockets, tunnels and connections then live
 * in one process. A worker that comes anew gets its pods again from its own `ZdsServer`.
 */
export class PodShards implements ZdsHandler, Closer {
  readonly #options: PodShardsOptions
  readonly #pods = new Map<string, PlacedPod>()
  /** Uids that the running snapshot has named; undefined once it is complete. */
  #snapshot: Set<string> | undefined = new Set()
  /** Not yet taken by their worker. */
  readonly #pending = new Set<string>()

  constructor(options: PodShardsOptions) {
    this.#options = options
    options.readiness.add(READINESS_TASK)
  }

  async add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void> {
    this.#snapshot?.add(uid)
    const known = this.#pods.get(uid)
    if (known?.netns.id === netns.id) {
      netns.close()
      return this.#judge()
    }
    const shard = known?.shard ?? this.#leastLoaded()
    this.#pods.set(uid, { netns, shard })
    this.#pending.add(uid)
    this.#judge()
    try {
      await shard.zds.add({ uid, info, netns })
    } catch (error) {
      // One that refused tries again by itself; one that is just being started gets the pod with its snapshot.
      if (!(error instanceof MeshError) || error.code !== 'ZDS_UNAVAILABLE') throw error
      this.#options.log.info('pod waits for its worker', { uid, reason: reasonOf(error) })
      await shard.serving()
    } finally {
      this.#pending.delete(uid)
      known?.netns.close()
      this.#judge()
    }
  }

  /** @throws MeshError `ZDS_PROTOCOL_ERROR` outside a snapshot */
  async keep(uid: string): Promise<void> {
    if (this.#snapshot === undefined) throw protocolError('keep after the snapshot')
    this.#snapshot.add(uid)
  }

  async delete(uid: string): Promise<void> {
    if (this.#snapshot === undefined) await this.#end(uid)
    // The rest is done when the snapshot is complete.
    else this.#snapshot.delete(uid)
    this.#judge()
  }

  /** @throws MeshError `ZDS_PROTOCOL_ERROR` when there was one already */
  async snapshotSent(): Promise<void> {
    const named = this.#snapshot
    if (named === undefined) throw protocolError('a second snapshot')
    this.#snapshot = undefined
    await Promise.all([...this.#pods.keys()].filter((uid) => !named.has(uid)).map((uid) => this.#end(uid)))
    this.#judge()
  }

  disconnected(reason: string): void {
    this.#options.log.warn('node agent is gone, running pods stay', { reason })
    this.#snapshot = new Set()
    this.#options.readiness.add(READINESS_TASK)
  }

  /** The worker that serves a pod. */
  shardOf(uid: string): Shard | undefined {
    return this.#pending.has(uid) ? undefined : this.#pods.get(uid)?.shard
  }

  /** Pods of each worker. */
  get counts(): readonly number[] {
    return this.#options.shards.map((shard) => this.#countOf(shard))
  }

  /** Lets go of every namespace; the workers' own handles stay. */
  async close(): Promise<void> {
    for (const { netns } of this.#pods.values()) netns.close()
    this.#pods.clear()
  }

  #leastLoaded(): Shard {
    const [first, ...rest] = this.#options.shards
    if (first === undefined) throw new TypeError('there is no worker')
    return rest.reduce((least, each) => (this.#countOf(each) < this.#countOf(least) ? each : least), first)
  }

  #countOf(shard: Shard): number {
    let count = 0
    for (const pod of this.#pods.values()) if (pod.shard === shard) count++
    return count
  }

  async #end(uid: string): Promise<void> {
    const pod = this.#pods.get(uid)
    if (pod === undefined) return
    this.#pods.delete(uid)
    this.#pending.delete(uid)
    await pod.shard.zds.delete(uid)
    pod.netns.close()
  }

  #judge(): void {
    const { readiness } = this.#options
    if (this.#snapshot === undefined && this.#pending.size === 0) readiness.done(READINESS_TASK)
    else readiness.add(READINESS_TASK)
  }
}

function protocolError(what: string): MeshError {
  return new MeshError('ZDS_PROTOCOL_ERROR', `failure to process message : ${what}`)
}
