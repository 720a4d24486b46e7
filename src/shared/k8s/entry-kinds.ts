import { isIP } from 'node:net'
import {
  checkedText,
  integer,
  list,
  oneOf,
  optional,
  pairs,
  type Report,
  record,
  type Shape,
  shown,
  text,
  textMap,
} from '#shared/document'
import { type KindBody, MAX_PORT } from './core-kinds.ts'
import type {
  EntryEndpoint,
  EntryPort,
  HostAddress,
  ServiceEntry,
  ServiceEntrySpec,
  WorkloadEntry,
} from './entry-types.ts'
import { cidrProblem } from './policy-values.ts'

const UNIX = 'unix://'
/** DNS names (RFC 1035 §2.3.4), with `_`, which services in the wild have. */
const MAX_HOST = 253
const HOST = /^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*\.?$/i
const WILDCARD = '*.'
const PROTOCOLS: ReadonlySet<string> = new Set([
  '',
  'HTTP',
  'HTTP2',
  'HTTPS',
  'HTTP_PROXY',
  'GRPC',
  'GRPC-WEB',
  'TLS',
  'TCP',
  'UDP',
  'MONGO',
  'MYSQL',
  'REDIS',
])
const MAX_WEIGHT = 0xffff_ffff

function hostProblem(host: string): string | undefined {
  return host.length <= MAX_HOST && HOST.test(host) ? undefined : 'is no host name'
}

function serviceHostProblem(host: string): string | undefined {
  if (isIP(host) !== 0) return 'is an address; those go into addresses'
  return hostProblem(host.startsWith(WILDCARD) ? host.slice(WILDCARD.length) : host)
}

function addressProblem(address: string): string | undefined {
  if (address.startsWith(UNIX)) return 'is a UNIX socket, which the mesh cannot reach'
  return isIP(address) === 0 ? hostProblem(address) : undefined
}

const ports: Shape<ReadonlyMap<string, number>> = (value, path, report) =>
  new Map(pairs(integer(1, MAX_PORT))(value, path, report))

const endpointFields = record(
  {
    address: checkedText((address) => (address === '' ? undefined : addressProblem(address)), ''),
    ports,
    labels: textMap,
    network: text(''),
    locality: text(''),
    weight: optional(integer(0, MAX_WEIGHT)),
    serviceAccount: text(''),
  },
  'closed',
)

const endpoint: Shape<EntryEndpoint> = (value, path, report) => {
  const { weight = 0, ...rest } = endpointFields(value, path, report)
  if (rest.address === '' && rest.network === '')
    report([...path, 'address'], 'is missing; without it a network is needed')
  return { ...rest, weight }
}

const portFields = record(
  {
    name: text(),
    number: integer(1, MAX_PORT),
    protocol: text(''),
    targetPort: optional(integer(1, MAX_PORT)),
  },
  'closed',
)

const port: Shape<EntryPort> = (value, path, report) => {
  const read = portFields(value, path, report)
  const protocol = read.protocol.toUpperCase()
  if (!PROTOCOLS.has(protocol)) report([...path, 'protocol'], `is no protocol: ${shown(read.protocol)}`)
  return { ...read, protocol }
}

const serviceEntry: Shape<ServiceEntrySpec> = record(
  {
    hosts: list(checkedText(serviceHostProblem)),
    addresses: list(checkedText(cidrProblem)),
    ports: list(port),
    location: oneOf(['MESH_EXTERNAL', 'MESH_INTERNAL'], 'MESH_EXTERNAL'),
    resolution: oneOf(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'], 'NONE'),
    endpoints: list(endpoint),
    workloadSelector: optional(record({ labels: textMap }, 'closed')),
    exportTo: list(text()),
    subjectAltNames: list(text()),
  },
  'closed',
)

// What is in a status was written by a control plane; one that makes no sense is not taken for an address.
const status = record({ addresses: list(record({ host: text(''), value: text('') })) })

export const serviceEntryBody: KindBody<Pick<ServiceEntry, 'spec' | 'status'>> = (document, report) => {
  const spec = serviceEntry(document.spec ?? {}, ['spec'], report)
  reportContradictions(spec, report)
  const held = status(document.status ?? {}, ['status'], () => {}).addresses
  const addresses = held.filter(({ host, value }: HostAddress) => host !== '' && isIP(value) !== 0)
  return { spec: { ...spec, hosts: [...new Set(spec.hosts)] }, status: { addresses } }
}

export const workloadEntryBody: KindBody<Pick<WorkloadEntry, 'spec'>> = (document, report) => ({
  spec: endpoint(document.spec ?? {}, ['spec'], report),
})

/** What Istio's admission refuses as well (networking/v1 ServiceEntry). */
function reportContradictions(spec: ServiceEntrySpec, report: Report): void {
  const { hosts, addresses, endpoints, resolution, workloadSelector } = spec
  const problem = (field: string, text: string): void => report(['spec', field], text)
  if (hosts.length === 0) problem('hosts', 'is missing')
  reportTwins(spec.ports, report)
  if (endpoints.length > 0 && workloadSelector !== undefined)
    problem('endpoints', 'cannot stand beside workloadSelector')
  if (addresses.some((address) => address.includes('/')) && resolution !== 'NONE' && resolution !== 'STATIC')
    problem('addresses', `cannot be networks with resolution ${resolution}`)
  switch (resolution) {
    case 'NONE':
      if (endpoints.length > 0) problem('endpoints', 'cannot stand beside resolution NONE')
      break
    case 'STATIC':
      endpoints.forEach(({ address }, i) => {
        if (address !== '' && isIP(address) === 0)
          report(['spec', 'endpoints', i, 'address'], `must be an IP address with resolution STATIC: ${shown(address)}`)
      })
      break
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      if (endpoints.length === 0 && workloadSelector === undefined && hosts.some(isWildcard))
        problem('hosts', `cannot be looked up with resolution ${resolution} when they begin with *`)
      if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1)
        problem('endpoints', 'can be one only with resolution DNS_ROUND_ROBIN')
      break
    case 'DYNAMIC_DNS':
      if (!hosts.every(isWildcard)) problem('hosts', 'must begin with *. with resolution DYNAMIC_DNS')
      break
  }
}

function reportTwins(entryPorts: readonly EntryPort[], report: Report): void {
  entryPorts.forEach((each, i) => {
    for (const field of ['name', 'number'] as const) {
      const twin = entryPorts.findIndex((other) => other[field] === each[field])
      if (twin < i) report(['spec', 'ports', i, field], `is the same as of spec.ports[${twin}]`)
    }
  })
}

function isWildcard(host: string): boolean {
  return host.startsWith(WILDCARD)
}
