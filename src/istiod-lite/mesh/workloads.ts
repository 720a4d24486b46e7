import { decideEnrolment, type Namespace, type Node, type ObjectMeta, type Pod } from '#shared/k8s'
import type { ApplicationTunnel, GatewayAddress, PortMapping, Workload } from '#shared/model'
import { type IpAddress, parseIp } from '#shared/net'
import { localityOf } from './locality.ts'
import { workloadNames } from './names.ts'
import type { MeshSettings } from './settings.ts'

/** Everything beside a pod that its workload is made from. */
export interface PodFacts {
  readonly settings: MeshSettings
  readonly network: string
  readonly namespace: Namespace | undefined
  readonly node: Node | undefined
  /** Services of which the pod is an endpoint, with their ports. */
  readonly services: ReadonlyMap<string, readonly PortMapping[]>
  /** Keys of the selector policies, then of those made of PeerAuthentications; each sorted. */
  readonly policies: readonly string[]
  readonly waypoint: GatewayAddress | undefined
  /** How other networks reach the pod's. */
  readonly networkGateway: GatewayAddress | undefined
  /** Of the instances of a waypoint whose tunnel is the node's. */
  readonly applicationTunnel: ApplicationTunnel | undefined
}

const REDIRECTION = 'ambient.istio.io/redirection'
const TUNNEL_LABEL = 'networking.istio.io/tunnel'

/** The uid of a pod's workload, also of one that is not published yet. */
export function podUid(pod: Pod, settings: MeshSettings): string {
  return `${settings.clusterId}//Pod/${pod.metadata.namespace}/${pod.metadata.name}`
}

/**
 * A pod as the mesh knows it; undefined while it has no address and once it has ended.
 *
 * @see istio-control-plane b.2
 */
export function podWorkload(pod: Pod, facts: PodFacts): Workload | undefined {
  const { metadata, spec, status } = pod
  const { settings } = facts
  const addresses = status.podIPs.map(parseIp).filter((ip): ip is IpAddress => ip !== undefined)
  if (addresses.length === 0 || status.phase === 'Succeeded' || status.phase === 'Failed') return undefined
  const nativeTunnel = isTunnelNative(metadata)
  return {
    uid: podUid(pod, settings),
    name: metadata.name,
    namespace: metadata.namespace,
    addresses,
    hostname: '',
    network: facts.network,
    protocol: nativeTunnel || isCaptured(pod, facts) ? 'HBONE' : 'TCP',
    trustDomain: settings.trustDomain,
    serviceAccount: spec.serviceAccountName,
    waypoint: facts.waypoint,
    networkGateway: facts.networkGateway,
    node: spec.nodeName,
    ...workloadNames(pod),
    // The wire says POD for every pod, whatever made it (b.2).
    workloadType: 'pod',
    nativeTunnel,
    applicationTunnel: facts.applicationTunnel,
    services: facts.services,
    authorizationPolicies: facts.policies,
    status: isReady(pod) ? 'Healthy' : 'Unhealthy',
    clusterId: settings.clusterId,
    locality: localityOf(facts.node),
    networkMode: spec.hostNetwork ? 'HostNetwork' : 'Standard',
    capacity: 1,
  }
}

/** It speaks HBONE itself. */
export function isTunnelNative({ labels }: Pick<ObjectMeta, 'labels'>): boolean {
  return labels[TUNNEL_LABEL] === 'http'
}

/** A node agent says that a tunnel answers for it. */
export function isRedirected({ annotations }: Pick<ObjectMeta, 'annotations'>): boolean {
  return annotations[REDIRECTION] === 'enabled'
}

/** Whether a tunnel answers for the pod. The node agent's own word counts, wherever there is one. */
function isCaptured(pod: Pod, facts: PodFacts): boolean {
  const isTold = pod.metadata.annotations[REDIRECTION] !== undefined
  if (isTold || facts.settings.captureSign === 'annotation') return isRedirected(pod.metadata)
  const enrolment = decideEnrolment(
    {
      namespace: pod.metadata.namespace,
      namespaceLabels: facts.namespace?.metadata.labels ?? {},
      podLabels: pod.metadata.labels,
      podAnnotations: pod.metadata.annotations,
      isHostNetwork: pod.spec.hostNetwork,
    },
    facts.settings.excludedNamespaces,
  )
  return enrolment.kind === 'enrolled'
}

function isReady(pod: Pod): boolean {
  const ready = pod.status.conditions.find((condition) => condition.type === 'Ready')
  return ready?.status === 'True' && pod.metadata.deletionTimestamp === undefined
}
