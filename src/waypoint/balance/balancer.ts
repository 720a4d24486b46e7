import type { Clock } from '#shared/clock'
import type { Service, Workload } from '#shared/model'
import type { WaypointView } from '../state/index.ts'
import { keyOf } from './hash-key.ts'
import { type ClusterSurroundings, clusterName, LiveCluster } from './live-cluster.ts'
import { passthroughSeat } from './passthrough.ts'
import { EndpointRegister, type Seat } from './seat.ts'
import type {
  ActiveCluster,
  AttemptOutcome,
  Balancer,
  ClusterBackend,
  ClusterDump,
  Endpoint,
  Picked,
  PickFacts,
  PickRefusal,
  WorkloadBackend,
} from './types.ts'
import { WorkloadClusters } from './workload-clusters.ts'

export interface BalancerSettings {
  readonly view: WaypointView
  readonly clock: Clock
  /** This waypoint's own workload: its place is the one that others are near to or far from. */
  readonly self: () => Workload | undefined
}

export function createBalancer(settings: BalancerSettings): Balancer {
  return new MeshBalancer(settings)
}

class MeshBalancer implements Balancer {
  readonly #around: ClusterSurroundings
  readonly #byName = new Map<string, LiveCluster>()
  /** Backends are parts of route records, so that the name need not be made for each request. */
  #byBackend = new WeakMap<ClusterBackend, LiveCluster>()
  readonly #random: () => number
  readonly #workloads = new WorkloadClusters()
  readonly #unsubscribe: () => void

  constructor({ view, clock, self }: BalancerSettings) {
    this.#around = { view, clock, self, register: new EndpointRegister() }
    this.#random = () => clock.random()
    this.#unsubscribe = view.onEndpointsChanged(() => this.#meshChanged())
  }

  clusterOf(backend: ClusterBackend): LiveCluster | undefined {
    const known = this.#byBackend.get(backend)
    if (known !== undefined) return known
    const service = this.#serviceOf(backend)
    if (service === undefined) return undefined
    const name = clusterName(backend)
    const cluster = this.#byName.get(name) ?? new LiveCluster(backend, service, this.#around)
    this.#byName.set(name, cluster)
    this.#byBackend.set(backend, cluster)
    return cluster
  }

  pick(backend: ClusterBackend | WorkloadBackend, facts: PickFacts): Picked | PickRefusal {
    if (backend.kind === 'workload') return this.#workloads.pick(backend)
    const cluster = this.clusterOf(backend)
    if (cluster === undefined) return 'no-cluster'
    const { balancing, pool } = cluster.policy
    if (cluster.activeRequests >= (pool.maxRequests ?? Number.POSITIVE_INFINITY)) {
      cluster.counters.refusedRequests++
      return 'too-many-requests'
    }
    const key = balancing.kind === 'hash' ? keyOf(facts.exchange, balancing.key, this.#random) : undefined
    const seat = passthroughSeat(cluster, facts, this.#around) ?? cluster.choose(facts, key?.hash)
    if (seat === undefined) {
      cluster.counters.withoutEndpoint++
      return 'no-healthy-endpoint'
    }
    cluster.counters.requests++
    return new HeldPlace(cluster, seat, key?.setCookie)
  }

  dump(): readonly ClusterDump[] {
    return [...this.#byName.values()].map((cluster) => cluster.dump())
  }

  close(): void {
    this.#unsubscribe()
    for (const cluster of this.#byName.values()) cluster.close()
    this.#byName.clear()
    this.#byBackend = new WeakMap()
  }

  /** Clusters look at it when they are next asked; those that nobody can ask for any more go once they are idle. */
  #meshChanged(): void {
    this.#workloads.forgetIdle()
    let isAnyGone = false
    for (const [name, cluster] of this.#byName) {
      cluster.markStale()
      if (cluster.activeRequests + cluster.activeRetries > 0 || this.#serviceOf(cluster.backend) !== undefined) continue
      cluster.close()
      this.#byName.delete(name)
      isAnyGone = true
    }
    if (isAnyGone) this.#byBackend = new WeakMap()
  }

  #serviceOf({ namespace, hostname }: ClusterBackend): Service | undefined {
    return this.#around.view.mesh.serviceByKey(`${namespace}/${hostname}`)
  }
}

class HeldPlace implements Picked {
  readonly #cluster: LiveCluster
  readonly #seat: Seat
  readonly setCookie: string | undefined
  #isHeld = true

  constructor(cluster: LiveCluster, seat: Seat, setCookie: string | undefined) {
    this.#cluster = cluster
    this.#seat = seat
    this.setCookie = setCookie
    cluster.activeRequests++
    seat.endpoint.activeRequests++
  }

  get cluster(): ActiveCluster {
    return this.#cluster
  }

  get endpoint(): Endpoint {
    return this.#seat.endpoint
  }

  done(outcome: AttemptOutcome): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#cluster.activeRequests--
    this.#seat.endpoint.activeRequests--
    this.#cluster.record(this.#seat, outcome)
  }
}
