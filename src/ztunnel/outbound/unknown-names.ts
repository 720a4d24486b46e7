import { findGateway, gatewayName, type MeshView } from '#shared/mesh-state'
import { type GatewayAddress, type Service, serviceKey, type Workload } from '#shared/model'
import { isLoopback } from '#shared/net'
import type { OutboundRequest } from './types.ts'

/** Gateways that are looked at for one destination: networks are few, endpoints may be many. */
const MAX_GATEWAYS = 64

/**
 * What `plan` would look up for this connection and not find: resource names to ask the control plane for when it sends
 * nothing unasked (`XDS_ON_DEMAND`). First the destination; once that is known, the waypoint that it names, and the
 * network gateways of what lies in other networks. Empty when the plan can be made.
 */
export function unknownNames(view: MeshView, request: OutboundRequest): readonly string[] {
  const { workload: source, originalDestination, network } = request
  const { ip } = originalDestination
  if (isLoopback(ip)) return []
  const names = new Set<string>()
  for (const where of new Set([network, source.network])) {
    const found = view.workloadByIp(where, ip) ?? view.serviceByVip(where, ip, source.namespace)
    if (found === undefined) names.add(`${where}/${ip}`)
    else for (const gateway of gatewaysOnTheWay(view, found, source)) addUnknown(view, gateway, source, names)
  }
  return [...names]
}

function addUnknown(view: MeshView, gateway: GatewayAddress, source: Workload, names: Set<string>): void {
  if (findGateway(view, gateway, source.namespace) === undefined) names.add(gatewayName(gateway))
}

/** Its waypoints, then the network gateways in front of its endpoints and of theirs. */
function gatewaysOnTheWay(view: MeshView, found: Workload | Service, source: Workload): readonly GatewayAddress[] {
  const waypoints = waypointsOf(found)
  const known = waypoints.flatMap((waypoint) => findGateway(view, waypoint, source.namespace) ?? [])
  const hops = [found, ...known.map((one) => (one.kind === 'service' ? one.service : one.workload))]
  const gateways = new Map<string, GatewayAddress>()
  for (const { network, networkGateway } of hops.flatMap((hop) => membersOf(view, hop))) {
    if (network === source.network || networkGateway === undefined || gateways.size >= MAX_GATEWAYS) continue
    gateways.set(gatewayName(networkGateway), networkGateway)
  }
  return [...waypoints, ...gateways.values()]
}

function membersOf(view: MeshView, hop: Workload | Service): readonly Workload[] {
  if ('uid' in hop) return [hop]
  return view.endpoints(serviceKey(hop)).map(({ workload }) => workload)
}

function waypointsOf(found: Workload | Service): readonly GatewayAddress[] {
  const single = found.waypoint === undefined ? [] : [found.waypoint]
  return 'weightedWaypoints' in found
    ? [...single, ...found.weightedWaypoints.map(({ destination }) => destination)]
    : single
}
