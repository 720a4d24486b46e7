import { DEFAULT_TRAFFIC_POLICY } from '#shared/l7'
import type { Workload } from '#shared/model'
import { LiveEndpoint } from './seat.ts'
import type { ActiveCluster, AttemptOutcome, ClusterBackend, Picked, PickRefusal, WorkloadBackend } from './types.ts'

/** A workload that was dialled itself, and so is the only endpoint there is. */
class WorkloadCluster implements ActiveCluster {
  readonly backend: ClusterBackend
  readonly policy = DEFAULT_TRAFFIC_POLICY
  readonly endpoint: LiveEndpoint
  activeRequests = 0
  activeRetries = 0

  constructor(workload: Workload, endpoint: LiveEndpoint, port: number) {
    this.backend = { kind: 'cluster', namespace: workload.namespace, hostname: workload.uid, port, subset: '' }
    this.endpoint = endpoint
  }
}

/** Clusters of one workload each, by its uid, address and port, so that connections outlive changes of its record. */
export class WorkloadClusters {
  readonly #clusters = new Map<string, WorkloadCluster>()

  pick({ workload, port }: WorkloadBackend): Picked | PickRefusal {
    const [ip] = workload.addresses
    if (ip === undefined) return 'no-healthy-endpoint'
    const key = `${workload.uid} ${ip} ${port}`
    let cluster = this.#clusters.get(key)
    if (cluster === undefined) {
      const endpoint = new LiveEndpoint(workload, { kind: 'address', ip, port })
      cluster = new WorkloadCluster(workload, endpoint, port)
      this.#clusters.set(key, cluster)
    }
    cluster.endpoint.workload = workload
    return new WorkloadPlace(cluster)
  }

  /** Those that nobody uses are made anew when they are asked for. */
  forgetIdle(): void {
    for (const [key, { activeRequests, activeRetries }] of this.#clusters) {
      if (activeRequests + activeRetries === 0) this.#clusters.delete(key)
    }
  }
}

class WorkloadPlace implements Picked {
  readonly cluster: WorkloadCluster
  readonly setCookie = undefined
  #isHeld = true

  constructor(cluster: WorkloadCluster) {
    this.cluster = cluster
    cluster.activeRequests++
    cluster.endpoint.activeRequests++
  }

  get endpoint(): LiveEndpoint {
    return this.cluster.endpoint
  }

  /** There is nobody else to turn to: outcomes change nothing. */
  done(_outcome: AttemptOutcome): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.cluster.activeRequests--
    this.cluster.endpoint.activeRequests--
  }
}
