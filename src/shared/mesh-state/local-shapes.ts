import {
  flag,
  integer,
  list,
  oneOf,
  optional,
  pairs,
  type Report,
  record,
  required,
  type Shape,
  shown,
  text,
} from '#shared/document'
import type {
  ApplicationTunnel,
  Authorization,
  AuthorizationMatch,
  GatewayAddress,
  LoadBalancer,
  NetworkAddress,
  PortMapping,
  Service,
  StringMatch,
  Workload,
} from '#shared/model'
import { type Cidr, type IpAddress, parseCidr, parseIp } from '#shared/net'

const MAX_PORT = 65_535
const MAX_CAPACITY = 2 ** 32 - 1

const textOrEmpty = text('')

/** A text in a form of its own; what `parse` does not take is a problem, and `missing` stands in. */
function parsed<T>(parse: (text: string) => T | undefined, form: string, missing: T): Shape<T> {
  return (value, path, report) => {
    const found = typeof value === 'string' ? parse(value) : undefined
    if (found === undefined) report(path, value === undefined ? 'is missing' : `must be ${form}, is ${shown(value)}`)
    return found ?? missing
  }
}

/** Stands in for an address with a problem; it never leaves this file, since a config with problems is not taken. */
const NO_ADDRESS: IpAddress = '0.0.0.0' as IpAddress
const NO_NETWORK: Cidr = { family: 4, network: new Uint8Array(4), prefixBits: 32 }

const ip: Shape<IpAddress> = parsed(parseIp, 'an IP address', NO_ADDRESS)
const cidr: Shape<Cidr> = parsed(parseCidr, 'a network such as 10.0.0.0/8', NO_NETWORK)

const networkAddress: Shape<NetworkAddress> = parsed(
  (value) => {
    const slash = value.indexOf('/')
    const address = slash < 0 ? undefined : parseIp(value.slice(slash + 1))
    return address && { network: value.slice(0, slash), ip: address }
  },
  '<network>/<ip>',
  { network: '', ip: NO_ADDRESS },
)

const gatewayDestination: Shape<GatewayAddress['destination']> = parsed(
  (value): GatewayAddress['destination'] | undefined => {
    const slash = value.indexOf('/')
    const [first, second] = [value.slice(0, slash), value.slice(slash + 1)]
    const address = parseIp(second)
    if (slash < 0 || second === '') return undefined
    return address === undefined
      ? { kind: 'hostname', namespace: first, hostname: second }
      : { kind: 'address', network: first, ip: address }
  },
  '<network>/<ip> or <namespace>/<hostname>',
  { kind: 'address', network: '', ip: NO_ADDRESS },
)

const gatewayAddress: Shape<GatewayAddress> = record(
  { destination: gatewayDestination, hboneMtlsPort: integer(0, MAX_PORT) },
  'closed',
)

/** `{service port: target port}`. */
const ports: Shape<readonly PortMapping[]> = (value, path, report) =>
  pairs(integer(0, MAX_PORT))(value, path, report).map(([key, targetPort]) => {
    const servicePort = integer(1, MAX_PORT)(/^\d{1,5}$/.test(key) ? Number(key) : key, [...path, key], report)
    return { servicePort, targetPort }
  })

/** `{"<namespace>/<hostname>": {service port: target port}}`. */
const workloadServices: Shape<ReadonlyMap<string, readonly PortMapping[]>> = (value, path, report) => {
  const services = pairs(ports)(value, path, report)
  for (const [key] of services) if (!key.includes('/')) report([...path, key], 'must be <namespace>/<hostname>')
  return new Map(services)
}

const applicationTunnel: Shape<ApplicationTunnel> = (value, path, report) => {
  const shape = record(
    { protocol: oneOf(['NONE', 'PROXY'], undefined), port: optional(integer(0, MAX_PORT)) },
    'closed',
  )
  const { protocol, port } = shape(value, path, report)
  return { protocol, port: port ?? 0 }
}

const locality: Shape<Workload['locality']> = record(
  { region: textOrEmpty, zone: textOrEmpty, subzone: textOrEmpty },
  'closed',
)

const workloadFields = record(
  {
    uid: textOrEmpty,
    name: textOrEmpty,
    namespace: text(),
    workloadIps: required(list(ip)),
    hostname: textOrEmpty,
    network: textOrEmpty,
    protocol: oneOf(['TCP', 'HBONE'], 'TCP'),
    trustDomain: textOrEmpty,
    serviceAccount: textOrEmpty,
    waypoint: optional(gatewayAddress),
    networkGateway: optional(gatewayAddress),
    node: textOrEmpty,
    canonicalName: textOrEmpty,
    canonicalRevision: textOrEmpty,
    workloadType: oneOf(['deployment', 'cronjob', 'pod', 'job'], 'deployment'),
    workloadName: textOrEmpty,
    nativeTunnel: flag,
    applicationTunnel: optional(applicationTunnel),
    services: required(workloadServices),
    authorizationPolicies: list(text()),
    status: oneOf(['Healthy', 'Unhealthy'], 'Healthy'),
    clusterId: textOrEmpty,
    locality,
    networkMode: oneOf(['Standard', 'HostNetwork'], 'Standard'),
    capacity: optional(integer(0, MAX_CAPACITY)),
  },
  'closed',
)

/** A workload without uid gets one from its namespace and name. */
export const localWorkload: Shape<Workload> = (value, path, report) => {
  const { workloadIps, uid, capacity, ...rest } = workloadFields(value, path, report)
  return {
    ...rest,
    uid: uid === '' ? `local//Workload/${rest.namespace}/${rest.name}` : uid,
    addresses: workloadIps,
    capacity: capacity ?? 1,
  }
}

const loadBalancer: Shape<LoadBalancer> = record(
  {
    routingPreferences: list(oneOf(['Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network'], undefined)),
    mode: oneOf(['Standard', 'Strict', 'Failover', 'Passthrough'], undefined),
    healthPolicy: oneOf(['OnlyHealthy', 'AllowAll'], 'OnlyHealthy'),
  },
  'closed',
)

const serviceFields = record(
  {
    name: text(),
    namespace: text(),
    hostname: text(),
    vips: required(list(networkAddress)),
    cidrVips: list(record({ network: textOrEmpty, cidr }, 'closed')),
    ports: required(ports),
    endpoints: noEndpoints,
    subjectAltNames: list(text()),
    waypoint: optional(gatewayAddress),
    weightedWaypoints: list(record({ destination: gatewayAddress, weight: integer(0, MAX_CAPACITY) }, 'closed')),
    loadBalancer: optional(loadBalancer),
    ipFamilies: optional(oneOf(['IPv4', 'IPv6', 'Dual'], undefined)),
    canonical: flag,
    visibility: oneOf(['Public', 'Namespace'], 'Public'),
  },
  'closed',
)

export const localService: Shape<Service> = (value, path, report) => {
  const { endpoints: _, ...service } = serviceFields(value, path, report)
  return { ...service, ingressUseWaypoint: false }
}

/** Endpoints are what workloads say; a service that lists its own would be believed and then forgotten. */
function noEndpoints(value: unknown, path: readonly (string | number)[], report: Report): void {
  if (pairs(() => undefined)(value, path, report).length > 0) {
    report(path, 'must be empty: endpoints come from workloads[].services')
  }
}

const stringMatch: Shape<StringMatch> = (value, path, report) => {
  const kinds = record(
    { Exact: optional(text()), Prefix: optional(text()), Suffix: optional(text()), Presence: optional(list(text())) },
    'closed',
  )
  const { Exact, Prefix, Suffix, Presence } = kinds(value, path, report)
  const found: readonly StringMatch[] = [
    ...(Exact === undefined ? [] : [{ kind: 'exact', value: Exact } as const]),
    ...(Prefix === undefined ? [] : [{ kind: 'prefix', value: Prefix } as const]),
    ...(Suffix === undefined ? [] : [{ kind: 'suffix', value: Suffix } as const]),
    ...(Presence === undefined ? [] : [{ kind: 'presence' } as const]),
  ]
  if (found.length !== 1) report(path, 'must be one of {Exact: …}, {Prefix: …}, {Suffix: …}, {Presence: []}')
  return found[0] ?? { kind: 'presence' }
}

const serviceAccounts = list(record({ namespace: text(), serviceAccount: text() }, 'closed'))
const portList = list(integer(0, MAX_PORT))

const match: Shape<AuthorizationMatch> = record(
  {
    namespaces: list(stringMatch),
    notNamespaces: list(stringMatch),
    principals: list(stringMatch),
    notPrincipals: list(stringMatch),
    sourceIps: list(cidr),
    notSourceIps: list(cidr),
    destinationIps: list(cidr),
    notDestinationIps: list(cidr),
    destinationPorts: portList,
    notDestinationPorts: portList,
    serviceAccounts,
    notServiceAccounts: serviceAccounts,
  },
  'closed',
)

/** Every key of a policy is required, so that none of it is left to a guess. */
export const localPolicy: Shape<Authorization> = record(
  {
    name: text(),
    namespace: text(),
    scope: oneOf(['Global', 'Namespace', 'WorkloadSelector'], undefined),
    action: oneOf(['Allow', 'Deny'], undefined),
    rules: required(list(list(list(match)))),
    dryRun: required(flag),
  },
  'closed',
)
