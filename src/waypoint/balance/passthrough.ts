import type { Workload } from '#shared/model'
import { formatSocketAddress, type SocketAddress } from '#shared/net'
import type { ClusterSurroundings, LiveCluster } from './live-cluster.ts'
import { LiveEndpoint, Seat } from './seat.ts'
import type { PickFacts } from './types.ts'

/**
 * PASSTHROUGH: the address that was dialled, whether it is an endpoint of the service or not. Undefined when nothing was
 * dialled that could be passed on to: an address of the service itself would lead back to a waypoint, so that any of its
 * endpoints is chosen for it.
 */
export function passthroughSeat(
  cluster: LiveCluster,
  { dialled }: PickFacts,
  around: ClusterSurroundings,
): Seat | undefined {
  const isPassthrough =
    cluster.policy.balancing.kind === 'passthrough' || cluster.service.loadBalancer?.mode === 'Passthrough'
  if (!isPassthrough || dialled === undefined) return undefined
  const { network } = around.view
  if (cluster.service.vips.some((vip) => vip.ip === dialled.ip && vip.network === network)) return undefined
  const known = cluster.seatAt(dialled.ip)
  if (known !== undefined) return known
  return cluster.outsiders.seatOf(dialled, () => around.view.mesh.workloadByIp(network, dialled.ip), network)
}

/** More are hardly dialled at once; the one that was met first makes room. */
const MAX_OUTSIDERS = 1_024

/** Addresses that are no endpoints of the cluster, kept so that their connections can be pooled. */
export class Outsiders {
  readonly #seats = new Map<string, Seat>()

  seatOf(dialled: SocketAddress, workloadThere: () => Workload | undefined, network: string): Seat {
    const key = formatSocketAddress(dialled)
    const workload = workloadThere()
    const known = this.#seats.get(key)
    if (known !== undefined && (workload === undefined || workload.uid === known.workload.uid)) {
      if (workload !== undefined) known.endpoint.workload = workload
      return known
    }
    if (this.#seats.size >= MAX_OUTSIDERS) this.#seats.delete(this.#seats.keys().next().value ?? '')
    const endpoint = new LiveEndpoint(workload ?? outsider(dialled, network), { kind: 'address', ...dialled })
    const seat = new Seat(endpoint, 0)
    this.#seats.set(key, seat)
    return seat
  }
}

/** What lies outside of the mesh, as far as an address tells. */
function outsider({ ip }: SocketAddress, network: string): Workload {
  return {
    uid: `outside/${network}/${ip}`,
    name: ip,
    namespace: '',
    addresses: [ip],
    hostname: '',
    network,
    protocol: 'TCP',
    trustDomain: '',
    serviceAccount: '',
    waypoint: undefined,
    networkGateway: undefined,
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'pod',
    workloadName: '',
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: new Map(),
    authorizationPolicies: [],
    status: 'Healthy',
    clusterId: '',
    locality: { region: '', zone: '', subzone: '' },
    networkMode: 'Standard',
    capacity: 1,
  }
}
