import fc from 'fast-check'
import {
  type Authorization,
  type AuthorizationMatch,
  type GatewayAddress,
  type Service,
  type StringMatch,
  spiffeId,
  type Workload,
} from '#shared/model'
import { type Cidr, cidrFromBytes, type IpAddress, ipFromBytes } from '#shared/net'

/** Random resources in the form in which they come off the wire. */

const text = fc.string({ maxLength: 12 })
const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/)
const port = fc.integer({ min: 0, max: 65_535 })
const ports = fc.array(fc.record({ servicePort: port, targetPort: port }), { maxLength: 3 })
const bytesOfIp = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
    bytes[0] = 0xfd // never IPv4 in IPv6, which is kept as IPv4
    return bytes
  }),
)
const ip: fc.Arbitrary<IpAddress> = bytesOfIp.map((bytes) => ipFromBytes(bytes)!)
const cidr: fc.Arbitrary<Cidr> = fc
  .tuple(bytesOfIp, fc.nat({ max: 128 }))
  .map(([bytes, bits]) => cidrFromBytes(bytes, bits % (bytes.length * 8 + 1))!)
const partCidr = cidr.filter((one) => one.prefixBits !== one.network.length * 8)
const key = fc.tuple(label, label).map(([namespace, host]) => `${namespace}/${host}`)

const gateway: fc.Arbitrary<GatewayAddress> = fc.record({
  destination: fc.oneof(
    fc.record({ kind: fc.constant('hostname' as const), namespace: label, hostname: text }),
    fc.record({ kind: fc.constant('address' as const), network: text, ip }),
  ),
  hboneMtlsPort: port,
})

const optional = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined })
const locality = fc.record({ region: text, zone: text, subzone: text })
/** Defaults are filled in when a resource is read, so an empty one never comes out. */
const filled = fc.string({ minLength: 1, maxLength: 12 })

export const workload: fc.Arbitrary<Workload> = fc.record({
  uid: text,
  name: text,
  namespace: label,
  addresses: fc.array(ip, { maxLength: 3 }),
  hostname: text,
  network: text,
  protocol: fc.constantFrom('TCP', 'HBONE'),
  trustDomain: filled,
  serviceAccount: filled,
  waypoint: optional(gateway),
  networkGateway: optional(gateway),
  node: text,
  canonicalName: text,
  canonicalRevision: text,
  workloadType: fc.constantFrom('deployment', 'cronjob', 'pod', 'job'),
  workloadName: text,
  nativeTunnel: fc.boolean(),
  applicationTunnel: optional(fc.record({ protocol: fc.constantFrom('NONE', 'PROXY'), port })),
  services: fc.array(fc.tuple(key, ports), { maxLength: 3 }).map((entries) => new Map(entries)),
  authorizationPolicies: fc.array(key, { maxLength: 2 }),
  status: fc.constantFrom('Healthy', 'Unhealthy'),
  clusterId: filled,
  locality,
  networkMode: fc.constantFrom('Standard', 'HostNetwork'),
  capacity: fc.nat({ max: 2 ** 32 - 1 }),
})

export const service: fc.Arbitrary<Service> = fc.record({
  name: text,
  namespace: label,
  hostname: text,
  vips: fc.array(fc.record({ network: text, ip }), { maxLength: 2 }),
  cidrVips: fc.array(fc.record({ network: text, cidr: partCidr }), { maxLength: 2 }),
  ports,
  subjectAltNames: fc.array(
    fc
      .tuple(label, label)
      .map(([namespace, serviceAccount]) => spiffeId({ trustDomain: 'td', namespace, serviceAccount })),
    { maxLength: 2 },
  ),
  waypoint: optional(gateway),
  weightedWaypoints: fc.array(fc.record({ destination: gateway, weight: fc.nat({ max: 1000 }) }), { maxLength: 2 }),
  loadBalancer: optional(
    fc.record({
      routingPreferences: fc.array(fc.constantFrom('Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network')),
      mode: fc.constantFrom('Standard', 'Strict', 'Failover', 'Passthrough'),
      healthPolicy: fc.constantFrom('OnlyHealthy', 'AllowAll'),
    }),
  ),
  ipFamilies: fc.constantFrom(undefined, 'IPv4', 'IPv6', 'Dual'),
  canonical: fc.boolean(),
  ingressUseWaypoint: fc.boolean(),
  visibility: fc.constantFrom('Public', 'Namespace'),
})

const stringMatch: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.record({ kind: fc.constantFrom('exact', 'prefix', 'suffix'), value: text }),
  fc.constant<StringMatch>({ kind: 'presence' }),
)
const strings = fc.array(stringMatch, { maxLength: 2 })
const cidrs = fc.array(cidr, { maxLength: 2 })
const numbers = fc.array(port, { maxLength: 2 })
const accounts = fc.array(fc.record({ namespace: text, serviceAccount: text }), { maxLength: 2 })

const match: fc.Arbitrary<AuthorizationMatch> = fc.record({
  namespaces: strings,
  notNamespaces: strings,
  principals: strings,
  notPrincipals: strings,
  sourceIps: cidrs,
  notSourceIps: cidrs,
  destinationIps: cidrs,
  notDestinationIps: cidrs,
  destinationPorts: numbers,
  notDestinationPorts: numbers,
  serviceAccounts: accounts,
  notServiceAccounts: accounts,
})

export const authorization: fc.Arbitrary<Authorization> = fc.record({
  name: text,
  namespace: label,
  scope: fc.constantFrom('Global', 'Namespace', 'WorkloadSelector'),
  action: fc.constantFrom('Allow', 'Deny'),
  rules: fc.array(fc.array(fc.array(match, { maxLength: 2 }), { maxLength: 2 }), { maxLength: 2 }),
  dryRun: fc.boolean(),
})
