import type { EndpointSlice, EntryEndpoint, Node, Pod, Service, ServiceEntry, SliceEndpoint } from '#shared/k8s'
import { type GatewayAddress, type PortMapping, serviceKey, type Workload } from '#shared/model'
import { parseIp } from '#shared/net'
import { localityOf } from './locality.ts'
import { type MeshSettings, serviceHostname } from './settings.ts'

/** By this label a slice says whose endpoints it holds. */
const SERVICE_NAME = 'kubernetes.io/service-name'

export function keyOfService(service: Service, settings: MeshSettings): string {
  const { name, namespace } = service.metadata
  return serviceKey({ namespace, hostname: serviceHostname(name, namespace, settings) })
}

/** Where the ports of a workload are found by name. */
export type NamedPort = (name: string) => number | undefined

/** TCP only; ordinary containers first, then native sidecars (b.2). */
export function podPorts(pod: Pod): NamedPort {
  const sidecars = pod.spec.initContainers.filter((container) => container.restartPolicy === 'Always')
  const ports = [...pod.spec.containers, ...sidecars].flatMap((container) => container.ports)
  return (name) => ports.find((port) => port.name === name && port.protocol === 'TCP')?.containerPort
}

export function entryPorts({ ports }: EntryEndpoint): NamedPort {
  return (name) => ports.get(name)
}

/** Where each port of a service leads in one of its pods; a named port that the pod does not have is left out. */
export function podMappings(service: Service, named: NamedPort): readonly PortMapping[] {
  return service.spec.ports.flatMap(({ port, targetPort }) =>
    mapping(port, typeof targetPort === 'number' ? targetPort : named(targetPort)),
  )
}

/** The same for a WorkloadEntry, which may have ports of its own for the names of the service's. */
export function entryMappings(service: Service, named: NamedPort): readonly PortMapping[] {
  return service.spec.ports.flatMap(({ name, port, targetPort }) =>
    mapping(port, typeof targetPort === 'number' ? (named(name) ?? targetPort) : named(targetPort)),
  )
}

/** Where each port of a ServiceEntry leads: by the endpoint's word for the port's name, then by the entry's. */
export function hostMappings({ spec }: ServiceEntry, named: NamedPort): readonly PortMapping[] {
  return spec.ports.map(({ name, number, targetPort }) => ({
    servicePort: number,
    targetPort: named(name) ?? targetPort ?? number,
  }))
}

function mapping(servicePort: number, targetPort: number | undefined): readonly PortMapping[] {
  return targetPort === undefined ? [] : [{ servicePort, targetPort }]
}

/** `namespace/name` of the service of a slice; undefined when it says none, or holds host names. */
export function sliceService(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels[SERVICE_NAME]
  if (name === undefined || name === '' || slice.addressType === 'FQDN') return undefined
  return `${slice.metadata.namespace}/${name}`
}

/** `namespace/name` of the pods that a slice names as endpoints; nobody lends itself pods of another namespace. */
export function slicePods(slice: EndpointSlice): readonly string[] {
  if (sliceService(slice) === undefined) return []
  const { namespace } = slice.metadata
  const names = slice.endpoints
    .filter((endpoint) => isPod(endpoint) && (endpoint.targetRef?.namespace || namespace) === namespace)
    .map((endpoint) => `${namespace}/${endpoint.targetRef?.name}`)
  return [...new Set(names)]
}

function isPod(endpoint: SliceEndpoint): boolean {
  return endpoint.targetRef?.kind === 'Pod'
}

/** Everything beside a slice that its workloads are made from. */
export interface SliceFacts {
  readonly settings: MeshSettings
  readonly network: string
  /** The service of the slice. */
  readonly service: Service
  readonly nodeOf: (name: string) => Node | undefined
  /** How other networks reach this one. */
  readonly networkGateway: GatewayAddress | undefined
}

/**
 * Endpoints that are no pods: each address is a workload of its own, without identity, and its address is no key of it,
 * since it may be anything outside of the mesh (network mode HOST_NETWORK, b.2).
 */
export function sliceWorkloads(slice: EndpointSlice, facts: SliceFacts): readonly Workload[] {
  const ports = slicePorts(slice, facts.service)
  return slice.endpoints
    .filter((endpoint) => !isPod(endpoint))
    .flatMap((endpoint) => endpoint.addresses.flatMap((ip) => sliceWorkload(slice, endpoint, ip, ports, facts) ?? []))
}

function sliceWorkload(
  slice: EndpointSlice,
  endpoint: SliceEndpoint,
  text: string,
  ports: readonly PortMapping[],
  facts: SliceFacts,
): Workload | undefined {
  const ip = parseIp(text)
  if (ip === undefined) return undefined
  const { settings } = facts
  const { name, namespace } = slice.metadata
  return {
    uid: `${settings.clusterId}/discovery.k8s.io/EndpointSlice/${namespace}/${name}/${ip}`,
    name,
    namespace,
    addresses: [ip],
    hostname: '',
    network: facts.network,
    protocol: 'TCP',
    trustDomain: settings.trustDomain,
    serviceAccount: 'default',
    waypoint: undefined,
    networkGateway: facts.networkGateway,
    node: endpoint.nodeName,
    canonicalName: facts.service.metadata.name,
    canonicalRevision: 'latest',
    workloadType: 'pod',
    workloadName: name,
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: new Map([[keyOfService(facts.service, settings), ports]]),
    authorizationPolicies: [],
    status: endpoint.ready ? 'Healthy' : 'Unhealthy',
    clusterId: settings.clusterId,
    locality: localityOf(facts.nodeOf(endpoint.nodeName)),
    networkMode: 'HostNetwork',
    capacity: 1,
  }
}

/** A slice's port belongs to the service port of its name. */
function slicePorts(slice: EndpointSlice, service: Service): readonly PortMapping[] {
  return slice.ports.flatMap((port) => {
    const of = service.spec.ports.find((candidate) => candidate.name === port.name)
    return of === undefined || port.port === undefined ? [] : [{ servicePort: of.port, targetPort: port.port }]
  })
}
