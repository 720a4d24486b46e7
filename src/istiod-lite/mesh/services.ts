import type { Service as KubeService, ServicePort as KubeServicePort, Namespace, ObjectMeta } from '#shared/k8s'
import type { AppProtocol, LoadBalancer, LoadBalancingScope, NetworkAddress, Service, ServicePort } from '#shared/model'
import { parseIp } from '#shared/net'
import { type MeshSettings, serviceHostname } from './settings.ts'
import type { WaypointBinding } from './waypoint-binding.ts'

export interface ServiceFacts {
  readonly settings: MeshSettings
  readonly network: string
  readonly namespace: Namespace | undefined
  readonly binding: WaypointBinding
}

const GRPC_WEB = 'grpc-web'
const TRAFFIC_DISTRIBUTION = 'networking.istio.io/traffic-distribution'

/**
 * A Kubernetes service as the mesh knows it; undefined for ExternalName, which is a name and no service.
 *
 * @see istio-control-plane b.3
 */
export function meshService(service: KubeService, facts: ServiceFacts): Service | undefined {
  const { metadata, spec } = service
  if (spec.type === 'ExternalName') return undefined
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    hostname: serviceHostname(metadata.name, metadata.namespace, facts.settings),
    vips: spec.clusterIPs.flatMap((text): NetworkAddress[] => {
      const ip = parseIp(text)
      return ip === undefined ? [] : [{ network: facts.network, ip }]
    }),
    cidrVips: [],
    ports: spec.ports.map(meshPort),
    subjectAltNames: [],
    waypoint: facts.binding.waypoint,
    weightedWaypoints: facts.binding.weightedWaypoints,
    loadBalancer: loadBalancerOf(service, facts.namespace),
    ipFamilies: ipFamiliesOf(spec.ipFamilies),
    // A Kubernetes service always beats other sources of its host name (b.3).
    canonical: true,
    ingressUseWaypoint: facts.binding.ingressUseWaypoint,
    visibility: 'Public',
  }
}

function meshPort(port: KubeServicePort): ServicePort {
  const appProtocol = appProtocolOf(port)
  const targetPort = typeof port.targetPort === 'number' ? port.targetPort : 0
  return { servicePort: port.port, targetPort, ...(appProtocol === undefined ? {} : { appProtocol }) }
}

const PROTOCOLS: ReadonlyMap<string, AppProtocol | undefined> = new Map<string, AppProtocol | undefined>([
  ['http', 'HTTP11'],
  ['http2', 'HTTP2'],
  ['kubernetes.io/h2c', 'HTTP2'],
  ['kubernetes.io/ws', 'HTTP11'],
  ['kubernetes.io/wss', 'TLS'],
  ['grpc', 'GRPC'],
  ['tls', 'TLS'],
  ['https', 'TLS'],
  ['tcp', 'TCP'],
  // Declared, but the wire has no word for them.
  [GRPC_WEB, undefined],
  ['mysql', undefined],
  ['redis', undefined],
  ['mongo', undefined],
])
/** The server speaks first: mail, DNS, MySQL, MongoDB. */
const SERVER_FIRST_PORTS = new Set([25, 53, 3306, 27_017])

/** The protocol of a ServiceEntry's port: a whole word, in any case. */
export function appProtocolOfWord(word: string): AppProtocol | undefined {
  return PROTOCOLS.get(word.toLowerCase())
}

/** `appProtocol` beats the port's name; of either the part before the first `-` counts. */
function appProtocolOf(port: KubeServicePort): AppProtocol | undefined {
  if (port.protocol !== 'TCP') return undefined
  const declared = (port.appProtocol || port.name).toLowerCase()
  const word = declared.startsWith(GRPC_WEB) ? GRPC_WEB : (declared.split('-')[0] ?? '')
  if (PROTOCOLS.has(word)) return PROTOCOLS.get(word)
  return SERVER_FIRST_PORTS.has(port.port) ? 'TCP' : undefined
}

function ipFamiliesOf(families: readonly ('IPv4' | 'IPv6')[]): Service['ipFamilies'] {
  return families.length > 1 ? 'Dual' : families[0]
}

function loadBalancerOf(service: KubeService, namespace: Namespace | undefined): LoadBalancer | undefined {
  const healthPolicy = service.spec.publishNotReadyAddresses ? 'AllowAll' : 'OnlyHealthy'
  if (service.spec.internalTrafficPolicy === 'Local') {
    return { mode: 'Strict', routingPreferences: ['Node'], healthPolicy }
  }
  const near = preferNear(service.spec.trafficDistribution, service.metadata, namespace)
  if (near !== undefined) return { ...near, healthPolicy }
  return healthPolicy === 'AllowAll' ? { mode: 'Standard', routingPreferences: [], healthPolicy } : undefined
}

/** How endpoints that are near are preferred, if they are. */
export function preferNear(
  specified: string,
  meta: Pick<ObjectMeta, 'annotations'>,
  namespace: Namespace | undefined,
): LoadBalancer | undefined {
  const routingPreferences = PREFERENCES[trafficDistribution(specified, meta, namespace)]
  if (routingPreferences.length === 0) return undefined
  return { mode: 'Failover', routingPreferences, healthPolicy: 'OnlyHealthy' }
}

type TrafficDistribution = 'any' | 'zone' | 'node'

const PREFERENCES: Readonly<Record<TrafficDistribution, readonly LoadBalancingScope[]>> = {
  any: [],
  zone: ['Network', 'Region', 'Zone'],
  node: ['Network', 'Region', 'Zone', 'Subzone', 'Node'],
}
const DISTRIBUTIONS: ReadonlyMap<string, TrafficDistribution> = new Map([
  ['PreferClose', 'zone'],
  ['PreferSameZone', 'zone'],
  ['PreferSameNode', 'node'],
])

/** The spec, then the service's annotation, then the namespace's; an annotation with another word means any. */
function trafficDistribution(
  specified: string,
  { annotations }: Pick<ObjectMeta, 'annotations'>,
  namespace: Namespace | undefined,
): TrafficDistribution {
  const known = DISTRIBUTIONS.get(specified)
  if (known !== undefined) return known
  const annotated = annotations[TRAFFIC_DISTRIBUTION] ?? namespace?.metadata.annotations[TRAFFIC_DISTRIBUTION] ?? ''
  return DISTRIBUTIONS.get(distributionWord(annotated) ?? '') ?? 'any'
}

/** Annotations are taken in any case. */
function distributionWord(annotated: string): string | undefined {
  return [...DISTRIBUTIONS.keys()].find((word) => word.toLowerCase() === annotated.toLowerCase())
}

/** What is said of traffic distribution in words that mean nothing. */
export function distributionProblems(
  specified: string,
  { annotations }: Pick<ObjectMeta, 'annotations'>,
): readonly string[] {
  const problems: string[] = []
  if (specified !== '' && !DISTRIBUTIONS.has(specified))
    problems.push(`spec.trafficDistribution ${specified} is not known and has no effect`)
  const annotated = annotations[TRAFFIC_DISTRIBUTION]
  if (annotated !== undefined && annotated.toLowerCase() !== 'any' && distributionWord(annotated) === undefined)
    problems.push(`annotation ${TRAFFIC_DISTRIBUTION}: ${annotated} is not known and means Any`)
  return problems
}
