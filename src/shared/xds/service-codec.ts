import { type LoadBalancer, type LoadBalancingScope, parseSpiffeId, type Service } from '#shared/model'
import { cidrFromBytes } from '#shared/net'
import type { LoadBalancingMessage, NetworkAddressMessage, ServiceMessage } from './messages.ts'
import type { Written } from './schema.ts'
import {
  encodeGatewayAddress,
  encodeNetworkAddress,
  encodePorts,
  enumName,
  gatewayAddress,
  invalid,
  ipOf,
  portMappings,
  requiredGatewayAddress,
  withoutZeros,
} from './wire-fields.ts'

/** Numbers of the enums of workload.proto are places in these lists; undefined = unset. */
const scopes: readonly (LoadBalancingScope | undefined)[] = [
  undefined,
  'Region',
  'Zone',
  'Subzone',
  'Node',
  'Cluster',
  'Network',
]
const modes: readonly LoadBalancer['mode'][] = ['Standard', 'Strict', 'Failover', 'Passthrough']
const healthPolicies: readonly LoadBalancer['healthPolicy'][] = ['OnlyHealthy', 'AllowAll']
const ipFamilies: readonly (Exclude<Service['ipFamilies'], undefined> | 'unset')[] = ['unset', 'IPv4', 'IPv6', 'Dual']
const visibilities: readonly Service['visibility'][] = ['Public', 'Namespace']

/**
 * A service with the defaults and rejections of hbone-and-ztunnel b.2.
 *
 * @throws MeshError `RESOURCE_INVALID`
 */
export function decodeService(message: ServiceMessage): Service {
  const families = enumName(ipFamilies, 'ip_families', message.ipFamilies)
  return {
    name: message.name,
    namespace: message.namespace,
    hostname: message.hostname,
    ...vipsOf(message.addresses),
    ports: portMappings(message.ports),
    subjectAltNames: message.subjectAltNames.filter((name) => parseSpiffeId(name) !== undefined),
    waypoint: gatewayAddress(message.waypoint),
    weightedWaypoints: message.weightedWaypoints.map(({ destination, weight }) => {
      if (destination === null) throw invalid('a weighted waypoint without a destination')
      return { destination: requiredGatewayAddress(destination), weight }
    }),
    loadBalancer: message.loadBalancing === null ? undefined : loadBalancer(message.loadBalancing),
    ipFamilies: families === 'unset' ? undefined : families,
    canonical: message.canonical,
    ingressUseWaypoint: message.ingressUseWaypoint,
    visibility: visibilities[message.visibility] ?? 'Public',
  }
}

export function encodeService(service: Service): Written<ServiceMessage> {
  const { loadBalancer: balancer } = service
  return withoutZeros({
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    addresses: [
      ...service.vips.map((vip) => encodeNetworkAddress(vip.network, vip.ip)),
      ...service.cidrVips.map(({ network, cidr }) => ({ network, address: cidr.network, length: cidr.prefixBits })),
    ],
    ports: encodePorts(service.ports),
    subjectAltNames: service.subjectAltNames,
    waypoint: encodeGatewayAddress(service.waypoint),
    weightedWaypoints: service.weightedWaypoints.map(({ destination, weight }) => ({
      destination: encodeGatewayAddress(destination),
      weight,
    })),
    loadBalancing:
      balancer === undefined
        ? null
        : {
            routingPreference: balancer.routingPreferences.map((scope) => scopes.indexOf(scope)),
            mode: modes.indexOf(balancer.mode),
            healthPolicy: healthPolicies.indexOf(balancer.healthPolicy),
          },
    ipFamilies: ipFamilies.indexOf(service.ipFamilies ?? 'unset'),
    canonical: service.canonical,
    ingressUseWaypoint: service.ingressUseWaypoint,
    visibility: visibilities.indexOf(service.visibility),
  })
}

/** A length other than the family's longest makes an address a CIDR VIP; a longer one is refused. */
function vipsOf(addresses: readonly NetworkAddressMessage[]): Pick<Service, 'vips' | 'cidrVips'> {
  const vips: Service['vips'][number][] = []
  const cidrVips: Service['cidrVips'][number][] = []
  for (const { network, address, length } of addresses) {
    const ip = ipOf(address)
    if (length === undefined || length === address.length * 8) {
      vips.push({ network, ip })
      continue
    }
    const cidr = cidrFromBytes(address, length)
    if (cidr === undefined) throw invalid(`a prefix of ${length} bits on an address of ${address.length} bytes`)
    cidrVips.push({ network, cidr })
  }
  return { vips, cidrVips }
}

function loadBalancer(message: LoadBalancingMessage): LoadBalancer {
  return {
    routingPreferences: message.routingPreference.map((number) => enumName(scopes, 'routing_preference', number)),
    mode: enumName(modes, 'load balancing mode', message.mode),
    healthPolicy: enumName(healthPolicies, 'health_policy', message.healthPolicy),
  }
}
