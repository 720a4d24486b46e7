import type { Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
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
  const workload = around.view.mesh.workloadByIp(network, dialled.ip) ?? outsider(dialled, network)
  return new Seat(new LiveEndpoint(workload, { kind: 'address', ...dialled }), around.clock.monotonicMs())
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
