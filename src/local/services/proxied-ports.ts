import { type IpAddress, ipFamily } from '#shared/net'
import type { ProxiedPort } from '../network/index.ts'
import type { LiveServiceRecord, ServicePort } from './types.ts'
import { usableEndpoints } from './usable-endpoints.ts'

/** A node as far as services need it. */
export interface ProxyNode {
  readonly name: string
  readonly ips: readonly IpAddress[]
}

/** What leads to services on one node: their own addresses, and their node ports at the node's addresses. */
export function proxiedPorts(services: readonly LiveServiceRecord[], node: ProxyNode): readonly ProxiedPort[] {
  return services.flatMap((live) =>
    // Nobody here speaks SCTP.
    live.service.ports.flatMap((port) => (port.protocol === 'SCTP' ? [] : portsOf(live, port, node))),
  )
}

function portsOf(live: LiveServiceRecord, port: ServicePort, node: ProxyNode): readonly ProxiedPort[] {
  const { key, clusterIps, internalTrafficPolicy, externalTrafficPolicy } = live.service
  const protocol = port.protocol === 'TCP' ? 'tcp' : 'udp'
  const to = (ip: IpAddress, policy: 'Cluster' | 'Local'): ProxiedPort['endpoints'] =>
    usableEndpoints(live, port, ipFamily(ip), policy === 'Local' ? node.name : undefined).map(
      // The node has done its part.
      ({ node: _, ...address }) => address,
    )
  const own = clusterIps.map(
    (ip): ProxiedPort => ({
      service: key,
      protocol,
      address: { ip, port: port.port },
      endpoints: to(ip, internalTrafficPolicy),
      source: 'kept',
    }),
  )
  if (port.nodePort === 0) return own
  const atNode = node.ips.map(
    (ip): ProxiedPort => ({
      service: key,
      protocol,
      address: { ip, port: port.nodePort },
      endpoints: to(ip, externalTrafficPolicy),
      // An endpoint on another node would answer its client past this one. With `Local` there is none, and the pod sees
      // who calls.
      source: externalTrafficPolicy === 'Local' ? 'kept' : 'node',
    }),
  )
  return [...own, ...atNode]
}
