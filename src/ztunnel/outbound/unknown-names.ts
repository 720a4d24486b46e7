import type { GatewayAddress, Service, Workload } from '#shared/model'
import { isLoopback } from '#shared/net'
import { findGateway, gatewayName, type MeshView } from '../state/index.ts'
import type { OutboundRequest } from './types.ts'

/**
 * What `plan` would look up for this connection and not find: resource names to ask the control plane for when it sends
 * nothing unasked (`XDS_ON_DEMAND`). First the destination; once that is known, the waypoint that it names. Empty when
 * the plan can be made.
 */
export function unknownNames(view: MeshView, request: OutboundRequest): readonly string[] {
  const { workload: source, originalDestination, network } = request
  const { ip } = originalDestination
  if (isLoopback(ip)) return []
  const names = new Set<string>()
  for (const where of new Set([network, source.network])) {
    const found = view.workloadByIp(where, ip) ?? view.serviceByVip(where, ip, source.namespace)
    if (found === undefined) names.add(`${where}/${ip}`)
    for (const waypoint of found === undefined ? [] : waypointsOf(found)) {
      if (findGateway(view, waypoint, source.namespace) === undefined) names.add(gatewayName(waypoint))
    }
  }
  return [...names]
}

function waypointsOf(found: Workload | Service): readonly GatewayAddress[] {
  const single = found.waypoint === undefined ? [] : [found.waypoint]
  return 'weightedWaypoints' in found
    ? [...single, ...found.weightedWaypoints.map(({ destination }) => destination)]
    : single
}
