import { MeshError } from '#shared/errors'
import type { ConnectionPool } from '#shared/l7'
import type { ActiveCluster } from '../balance/index.ts'

/** What a cluster's pools have in use together, against the bounds of its policy. */
export class ClusterUse {
  /** Being dialled ones included; in a tunnel each one inside of it counts. */
  connections = 0
  /** Requests that wait for a connection. */
  pending = 0
  /** Since it was first used. */
  readonly refused = { connections: 0, pending: 0 }

  hasRoomForConnection({ maxConnections }: ConnectionPool): boolean {
    return maxConnections === undefined || this.connections < maxConnections
  }

  /** @throws MeshError `TUNNEL_POOL_UNAVAILABLE` */
  addPending({ maxPendingRequests }: ConnectionPool): void {
    if (this.pending >= Math.min(maxPendingRequests ?? MAX_PENDING, MAX_PENDING)) {
      this.refused.pending++
      throw new MeshError('TUNNEL_POOL_UNAVAILABLE', `${this.pending} requests wait for a connection already`)
    }
    this.pending++
  }

  /** @throws MeshError `TUNNEL_POOL_UNAVAILABLE` */
  addConnection(pool: ConnectionPool): void {
    if (!this.hasRoomForConnection(pool)) {
      this.refused.connections++
      throw new MeshError('TUNNEL_POOL_UNAVAILABLE', `all ${pool.maxConnections} connections are in use`)
    }
    this.connections++
  }
}

/** What waits in one cluster when its policy sets no bound. */
const MAX_PENDING = 16_384

/** The use of each cluster, as long as the cluster is in use itself. */
export class ClusterUses {
  readonly #byCluster = new WeakMap<ActiveCluster, ClusterUse>()

  of(cluster: ActiveCluster): ClusterUse {
    let use = this.#byCluster.get(cluster)
    if (use === undefined) {
      use = new ClusterUse()
      this.#byCluster.set(cluster, use)
    }
    return use
  }
}
