import type { EndpointSlice, Node, Pod, Service, SliceEndpoint } from '#shared/k8s'
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

/** Where each port of a service leads in one of its pods; a named port that the pod does not have is left out. */
export function endpointPorts(service: Service, pod: Pod): readonly PortMapping[] {
  return service.spec.ports.flatMap((port) => {
    const targetPort = typeof port.targetPort === 'number' ? port.targetPort : namedPort(pod, port.targetPort)
    return targetPort === undefined ? [] : [{ servicePort: port.port, targetPort }]
  })
}

/** TCP only; ordinary containers first, then native sidecars (b.2). */
function namedPort(pod: Pod, name: string): number | undefined {
  const sidecars = pod.spec.initContainers.filter((container) => container.restartPolicy === 'Always')
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const port = container.ports.find((candidate) => candidate.name === name && candidate.protocol === 'TCP')
    if (port !== undefined) return port.containerPort
  }
  return undefined
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
