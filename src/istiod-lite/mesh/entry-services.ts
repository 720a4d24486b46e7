import type { HostAddress, Namespace, ServiceEntry } from '#shared/k8s'
import type { LoadBalancer, Service, ServicePort } from '#shared/model'
import { type Cidr, ipFromBytes, parseCidr, parseIp } from '#shared/net'
import type { HostClaim } from './entry-hosts.ts'
import { appProtocolOfWord, preferNear } from './services.ts'
import type { WaypointBinding } from './waypoint-binding.ts'

/** Everything beside a ServiceEntry that its services are made from. */
export interface EntryServiceFacts {
  readonly network: string
  readonly namespace: Namespace | undefined
  readonly binding: WaypointBinding
  /** What the entry's hosts have of automatic addresses. */
  readonly automatic: readonly HostAddress[]
}

/** Where the client goes is where the traffic goes; nobody chooses. */
const PASSTHROUGH: LoadBalancer = { mode: 'Passthrough', routingPreferences: [], healthPolicy: 'AllowAll' }

/**
 * A ServiceEntry's service of one host that it has.
 *
 * @see istio-control-plane b.3
 */
export function entryService(entry: ServiceEntry, claim: HostClaim, facts: EntryServiceFacts): Service {
  const { metadata, spec } = entry
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    hostname: claim.hostname,
    ...vipsOf(entry, claim.hostname, facts),
    ports: spec.ports.map(entryPort),
    subjectAltNames: spec.subjectAltNames,
    waypoint: facts.binding.waypoint,
    weightedWaypoints: facts.binding.weightedWaypoints,
    loadBalancer: spec.resolution === 'NONE' ? PASSTHROUGH : preferNear('', metadata, facts.namespace),
    ipFamilies: undefined,
    canonical: claim.outcome.kind === 'held' && claim.outcome.canonical,
    ingressUseWaypoint: facts.binding.ingressUseWaypoint,
    visibility: claim.visibility,
  }
}

function entryPort({ number, targetPort, protocol }: ServiceEntry['spec']['ports'][number]): ServicePort {
  const appProtocol = appProtocolOfWord(protocol)
  return {
    servicePort: number,
    targetPort: targetPort ?? number,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }
}

/** What the author wrote, else what was allocated; a network of one address is that address. */
function vipsOf(entry: ServiceEntry, hostname: string, facts: EntryServiceFacts): Pick<Service, 'vips' | 'cidrVips'> {
  const { network, automatic } = facts
  const written = entry.spec.addresses.flatMap((text) => parseCidr(text) ?? [])
  if (written.length > 0) {
    return {
      vips: written.flatMap((cidr) => {
        const ip = isSingle(cidr) ? ipFromBytes(cidr.network) : undefined
        return ip === undefined ? [] : [{ network, ip }]
      }),
      cidrVips: written.filter((cidr) => !isSingle(cidr)).map((cidr) => ({ network, cidr })),
    }
  }
  const vips = automatic.flatMap(({ host, value }) => {
    const ip = host === hostname ? parseIp(value) : undefined
    return ip === undefined ? [] : [{ network, ip }]
  })
  return { vips, cidrVips: [] }
}

function isSingle({ network, prefixBits }: Cidr): boolean {
  return prefixBits === network.length * 8
}
