import { type Endpoint, gatewayName } from '#shared/mesh-state'
import type {
  ApplicationTunnel,
  Authorization,
  AuthorizationMatch,
  GatewayAddress,
  PortMapping,
  Service,
  StringMatch,
  Workload,
} from '#shared/model'
import { formatCidr } from '#shared/net'
import { inOrder, type Json } from './sorted-json.ts'

// Shapes of hbone-and-ztunnel h.4. A member that is undefined is left out of the dump.

/** A workload as the control plane's state shows it: its services are a list of keys. */
export function dumpWorkload(workload: Workload): Json {
  const services = [...workload.services.keys()].sort(inOrder)
  return { ...workloadCore(workload), services: unlessEmpty(services) }
}

/** A workload as a local state file has it: its services are maps of ports. */
export function dumpStaticWorkload(workload: Workload): Json {
  const services = [...workload.services].map(([key, ports]) => [key, dumpPorts(ports)] as const)
  return { ...workloadCore(workload), services: Object.fromEntries(services) }
}

function workloadCore(workload: Workload): Readonly<Record<string, Json>> {
  const { applicationTunnel, locality, waypoint, networkGateway } = workload
  const { region, zone, subzone } = locality
  return {
    workloadIps: workload.addresses,
    protocol: workload.protocol,
    networkMode: workload.networkMode,
    name: workload.name,
    namespace: workload.namespace,
    status: workload.status,
    clusterId: workload.clusterId,
    capacity: workload.capacity,
    uid: unlessBlank(workload.uid),
    trustDomain: unlessBlank(workload.trustDomain),
    serviceAccount: unlessBlank(workload.serviceAccount),
    network: unlessBlank(workload.network),
    workloadName: unlessBlank(workload.workloadName),
    workloadType: workload.workloadType,
    canonicalName: unlessBlank(workload.canonicalName),
    canonicalRevision: unlessBlank(workload.canonicalRevision),
    hostname: unlessBlank(workload.hostname),
    node: unlessBlank(workload.node),
    waypoint: waypoint && dumpGateway(waypoint),
    networkGateway: networkGateway && dumpGateway(networkGateway),
    nativeTunnel: workload.nativeTunnel || undefined,
    applicationTunnel: applicationTunnel && dumpApplicationTunnel(applicationTunnel),
    authorizationPolicies: unlessEmpty(workload.authorizationPolicies),
    locality: region === '' && zone === '' && subzone === '' ? undefined : { region, zone, subzone },
  }
}

/** @param endpoints the usable ones */
export function dumpService(service: Service, endpoints: readonly Endpoint[]): Json {
  const { waypoint, weightedWaypoints, loadBalancer, cidrVips } = service
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: service.vips.map(({ network, ip }) => `${network}/${ip}`),
    cidrVips: unlessEmpty(cidrVips.map(({ network, cidr }) => ({ network, cidr: formatCidr(cidr) }))),
    ports: dumpPorts(service.ports),
    endpoints: dumpEndpoints(endpoints),
    subjectAltNames: service.subjectAltNames,
    waypoint: waypoint && dumpGateway(waypoint),
    weightedWaypoints: unlessEmpty(
      weightedWaypoints.map(({ destination, weight }) => ({ destination: dumpGateway(destination), weight })),
    ),
    loadBalancer: loadBalancer && { ...loadBalancer },
    ipFamilies: service.ipFamilies,
    canonical: service.canonical,
    visibility: service.visibility,
  }
}

export function dumpEndpoints(endpoints: readonly Endpoint[]): Json {
  return Object.fromEntries(
    endpoints.map(({ workload, ports }) => [
      workload.uid,
      { workloadUid: workload.uid, port: Object.fromEntries(ports), status: workload.status },
    ]),
  )
}

export function dumpPolicy(policy: Authorization): Json {
  const { name, namespace, scope, action, dryRun } = policy
  const rules = policy.rules.map((rule) => rule.map((clause) => clause.map(dumpMatch)))
  return { name, namespace, scope, action, rules, dryRun }
}

function dumpMatch(match: AuthorizationMatch): Json {
  return {
    namespaces: unlessEmpty(match.namespaces.map(dumpStringMatch)),
    notNamespaces: unlessEmpty(match.notNamespaces.map(dumpStringMatch)),
    principals: unlessEmpty(match.principals.map(dumpStringMatch)),
    notPrincipals: unlessEmpty(match.notPrincipals.map(dumpStringMatch)),
    sourceIps: unlessEmpty(match.sourceIps.map(formatCidr)),
    notSourceIps: unlessEmpty(match.notSourceIps.map(formatCidr)),
    destinationIps: unlessEmpty(match.destinationIps.map(formatCidr)),
    notDestinationIps: unlessEmpty(match.notDestinationIps.map(formatCidr)),
    destinationPorts: unlessEmpty(match.destinationPorts),
    notDestinationPorts: unlessEmpty(match.notDestinationPorts),
    serviceAccounts: unlessEmpty(match.serviceAccounts.map((account) => ({ ...account }))),
    notServiceAccounts: unlessEmpty(match.notServiceAccounts.map((account) => ({ ...account }))),
  }
}

function dumpStringMatch(match: StringMatch): Json {
  switch (match.kind) {
    case 'exact':
      return { Exact: match.value }
    case 'prefix':
      return { Prefix: match.value }
    case 'suffix':
      return { Suffix: match.value }
    case 'presence':
      return { Presence: [] }
  }
}

function dumpGateway(gateway: GatewayAddress): Json {
  return { destination: gatewayName(gateway), hboneMtlsPort: gateway.hboneMtlsPort }
}

function dumpApplicationTunnel({ protocol, port }: ApplicationTunnel): Json {
  return { protocol, port: port === 0 ? null : port }
}

function dumpPorts(ports: readonly PortMapping[]): Json {
  return Object.fromEntries(ports.map(({ servicePort, targetPort }) => [servicePort, targetPort]))
}

function unlessBlank(text: string): string | undefined {
  return text === '' ? undefined : text
}

function unlessEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list
}
