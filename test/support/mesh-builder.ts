import { MeshState } from '#shared/mesh-state'
import type {
  Authorization,
  AuthorizationMatch,
  GatewayAddress,
  MeshAddress,
  PortMapping,
  Service,
  SpiffeId,
  StringMatch,
  Workload,
} from '#shared/model'
import { addressKey, parseSpiffeId } from '#shared/model'
import { type Cidr, type IpAddress, parseCidr, parseIp, parseSocketAddress, type SocketAddress } from '#shared/net'
import type { ResourceUpdate } from '#shared/xds'
import { FakeClock } from './fake-clock.ts'

/** Ports as `service port → target port`. */
export type Ports = Readonly<Record<number, number>>

export interface WorkloadInput extends Partial<Omit<Workload, 'addresses' | 'services' | 'uid'>> {
  readonly name: string
  /** Default `Kubernetes//Pod/<namespace>/<name>`. */
  readonly uid?: string
  readonly addresses?: readonly string[]
  /** Service key → ports. */
  readonly services?: Readonly<Record<string, Ports>>
}

/** A healthy HBONE pod in namespace `default` on `node-a`, unless told otherwise. */
export function workload(input: WorkloadInput): Workload {
  const namespace = input.namespace ?? 'default'
  return {
    uid: `Kubernetes//Pod/${namespace}/${input.name}`,
    namespace,
    hostname: '',
    network: '',
    protocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    waypoint: undefined,
    networkGateway: undefined,
    node: 'node-a',
    canonicalName: input.name,
    canonicalRevision: 'latest',
    workloadType: 'deployment',
    workloadName: input.name,
    nativeTunnel: false,
    applicationTunnel: undefined,
    authorizationPolicies: [],
    status: 'Healthy',
    clusterId: 'Kubernetes',
    locality: { region: '', zone: '', subzone: '' },
    networkMode: 'Standard',
    capacity: 1,
    ...input,
    addresses: (input.addresses ?? []).map(ip),
    services: new Map(Object.entries(input.services ?? {}).map(([key, ports]) => [key, portMappings(ports)])),
  }
}

export interface ServiceInput extends Partial<Omit<Service, 'vips' | 'cidrVips' | 'ports'>> {
  readonly name: string
  /** Addresses on the default network, or `network/ip`. */
  readonly vips?: readonly string[]
  /** `network/cidr` with a network that may be empty: `/10.0.0.0/8`. */
  readonly cidrVips?: readonly string[]
  readonly ports?: Ports
}

/** A public service of namespace `default` with port 80 → 8080, unless told otherwise. */
export function service(input: ServiceInput): Service {
  const namespace = input.namespace ?? 'default'
  return {
    namespace,
    hostname: `${input.name}.${namespace}.svc.cluster.local`,
    subjectAltNames: [],
    waypoint: undefined,
    weightedWaypoints: [],
    loadBalancer: undefined,
    ipFamilies: undefined,
    canonical: false,
    ingressUseWaypoint: false,
    visibility: 'Public',
    ...input,
    vips: (input.vips ?? []).map(networkAddress),
    cidrVips: (input.cidrVips ?? []).map((text) => {
      const slash = text.indexOf('/')
      return { network: text.slice(0, slash), cidr: cidr(text.slice(slash + 1)) }
    }),
    ports: portMappings(input.ports ?? { 80: 8080 }),
  }
}

/** What a match lists; kinds left out are empty. */
export interface MatchInput {
  readonly namespaces?: readonly string[]
  readonly notNamespaces?: readonly string[]
  readonly principals?: readonly string[]
  readonly notPrincipals?: readonly string[]
  readonly sourceIps?: readonly string[]
  readonly notSourceIps?: readonly string[]
  readonly destinationIps?: readonly string[]
  readonly notDestinationIps?: readonly string[]
  readonly destinationPorts?: readonly number[]
  readonly notDestinationPorts?: readonly number[]
  /** `<namespace>/<account>` */
  readonly serviceAccounts?: readonly string[]
  readonly notServiceAccounts?: readonly string[]
}

/** Strings as policies are written: `*` = presence, `*x` = suffix, `x*` = prefix, else exact. */
export function match(input: MatchInput): AuthorizationMatch {
  const accounts = (list: readonly string[] = []): AuthorizationMatch['serviceAccounts'] =>
    list.map((text) => {
      const [namespace = '', serviceAccount = ''] = text.split('/')
      return { namespace, serviceAccount }
    })
  return {
    namespaces: (input.namespaces ?? []).map(stringMatch),
    notNamespaces: (input.notNamespaces ?? []).map(stringMatch),
    principals: (input.principals ?? []).map(stringMatch),
    notPrincipals: (input.notPrincipals ?? []).map(stringMatch),
    sourceIps: (input.sourceIps ?? []).map(cidr),
    notSourceIps: (input.notSourceIps ?? []).map(cidr),
    destinationIps: (input.destinationIps ?? []).map(cidr),
    notDestinationIps: (input.notDestinationIps ?? []).map(cidr),
    destinationPorts: input.destinationPorts ?? [],
    notDestinationPorts: input.notDestinationPorts ?? [],
    serviceAccounts: accounts(input.serviceAccounts),
    notServiceAccounts: accounts(input.notServiceAccounts),
  }
}

export function stringMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' }
  if (text.startsWith('*')) return { kind: 'suffix', value: text.slice(1) }
  if (text.endsWith('*')) return { kind: 'prefix', value: text.slice(0, -1) }
  return { kind: 'exact', value: text }
}

export interface PolicyInput extends Partial<Authorization> {
  readonly name: string
}

/** An enforced DENY for namespace `default` without rules, unless told otherwise. */
export function policy(input: PolicyInput): Authorization {
  return { namespace: 'default', scope: 'Namespace', action: 'Deny', rules: [], dryRun: false, ...input }
}

/** A mesh that was told of these in one response each. */
export function meshOf(
  addresses: readonly (Workload | Service)[],
  policies: readonly Authorization[] = [],
  clock: FakeClock = new FakeClock(),
): MeshState {
  const mesh = new MeshState({ clock, nodeName: 'node-a' })
  mesh.applyAddresses(addressUpdate(addresses))
  mesh.applyAuthorizations(policyUpdate(policies))
  return mesh
}

export function addressUpdate(
  changed: readonly (Workload | Service)[],
  removed: readonly string[] = [],
): ResourceUpdate<MeshAddress> {
  const resources = changed.map(
    (one): MeshAddress => ('uid' in one ? { kind: 'workload', workload: one } : { kind: 'service', service: one }),
  )
  return { changed: resources.map((resource) => ({ name: addressKey(resource), version: '1', resource })), removed }
}

export function policyUpdate(
  changed: readonly Authorization[],
  removed: readonly string[] = [],
): ResourceUpdate<Authorization> {
  return {
    changed: changed.map((resource) => ({ name: `${resource.namespace}/${resource.name}`, version: '', resource })),
    removed,
  }
}

/** A gateway by `namespace/hostname`, or by address as `network/ip`. */
export function gateway(reference: string, hboneMtlsPort = 15_008): GatewayAddress {
  const [first = '', second = ''] = reference.split('/')
  const address = parseIp(second)
  return {
    hboneMtlsPort,
    destination:
      address === undefined
        ? { kind: 'hostname', namespace: first, hostname: second }
        : { kind: 'address', network: first, ip: address },
  }
}

export function ip(text: string): IpAddress {
  return known(parseIp(text), text)
}

export function cidr(text: string): Cidr {
  return known(parseCidr(text), text)
}

export function socket(text: string): SocketAddress {
  return known(parseSocketAddress(text), text)
}

/** `namespace/account` of trust domain cluster.local. */
export function identity(text: string): SpiffeId {
  const [namespace, account] = text.split('/')
  return known(parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/${account}`), text)
}

function networkAddress(text: string): { readonly network: string; readonly ip: IpAddress } {
  const slash = text.indexOf('/')
  return { network: slash < 0 ? '' : text.slice(0, slash), ip: ip(text.slice(slash + 1)) }
}

function portMappings(ports: Ports): readonly PortMapping[] {
  return Object.entries(ports).map(([servicePort, targetPort]) => ({ servicePort: Number(servicePort), targetPort }))
}

function known<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`the test's own input is malformed: ${text}`)
  return value
}
