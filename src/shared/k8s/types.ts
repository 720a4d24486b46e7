import type { Closer } from '#shared/lifecycle'
import type { MeshConfig, ServiceEntry, WorkloadEntry } from './entry-types.ts'
import type { Gateway, GatewayClass, ReferenceGrant } from './gateway-types.ts'

/** The part of a Kubernetes object that every kind has; kinds of this room narrow it. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

export interface ObjectMeta {
  readonly name: string
  /** Empty when the name was given outright. */
  readonly generateName: string
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string
  /** As given, or derived from kind, namespace and name, so that it stays the same over restarts. */
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly creationTimestamp: string | undefined
  /** Set while the object is being removed. */
  readonly deletionTimestamp: string | undefined
  readonly generation: number | undefined
  readonly ownerReferences: readonly OwnerReference[]
}

export interface OwnerReference {
  readonly kind: string
  readonly name: string
  /** The one owner that manages the object. */
  readonly controller: boolean
}

/** `added` also when an object is first seen. */
export interface ObjectChange<T extends KubeObject = KubeObject> {
  readonly type: 'added' | 'updated' | 'deleted'
  readonly object: T
}

/** One thing wrong with one input, told to the user; the last good state stays. */
export interface ObjectProblem {
  /** File, or `namespace/name` where there is no file. */
  readonly where: string
  /** 1-based; undefined when unknown. */
  readonly line: number | undefined
  /** `spec.rules[0].from`; empty for the whole document. */
  readonly path: string
  readonly problem: string
}

/** Where objects come from: a folder of YAML now, the Kubernetes API later; readers cannot tell the difference. */
export interface ObjectSource extends Closer {
  /** The first complete state has been delivered to the subscribers that were there. */
  readonly synced: Promise<void>
  /** Every object of that kind as `added`, at once, then each change in order. Returns the unsubscribe. */
  subscribe<K extends string>(kind: K, listener: (change: ObjectChange<ObjectOf<K>>) => void): () => void
  /** What is wrong right now with what could not be read. */
  readonly problems: readonly ObjectProblem[]
}

/** The record of a kind by its name; any other name gives the general part. */
export type ObjectOf<K extends string> = K extends keyof ObjectsByKind ? ObjectsByKind[K] : KubeObject

export interface ObjectsByKind {
  readonly Namespace: Namespace
  readonly ServiceAccount: ServiceAccount
  readonly Node: Node
  readonly Pod: Pod
  readonly Service: Service
  readonly EndpointSlice: EndpointSlice
  readonly PeerAuthentication: PeerAuthentication
  readonly AuthorizationPolicy: AuthorizationPolicy
  readonly ServiceEntry: ServiceEntry
  readonly WorkloadEntry: WorkloadEntry
  readonly MeshConfig: MeshConfig
  readonly ConfigMap: ConfigMap
  readonly GatewayClass: GatewayClass
  readonly Gateway: Gateway
  readonly ReferenceGrant: ReferenceGrant
}

export interface Namespace extends KubeObject {
  readonly kind: 'Namespace'
}

export interface ServiceAccount extends KubeObject {
  readonly kind: 'ServiceAccount'
}

/** Only its name and its topology labels matter to the mesh. */
export interface Node extends KubeObject {
  readonly kind: 'Node'
}

export interface Pod extends KubeObject {
  readonly kind: 'Pod'
  readonly spec: PodSpec
  readonly status: PodStatus
}

export interface PodSpec {
  /** Empty until the pod has a node. */
  readonly nodeName: string
  readonly serviceAccountName: string
  readonly hostNetwork: boolean
  readonly containers: readonly Container[]
  readonly initContainers: readonly Container[]
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly ports: readonly ContainerPort[]
  /** `Always` on an init container makes it a native sidecar. */
  readonly restartPolicy: string
  /** As written; who runs pods reads it. */
  readonly readinessProbe: Readonly<Record<string, unknown>> | undefined
}

export interface ContainerPort {
  /** Empty when unnamed. */
  readonly name: string
  readonly containerPort: number
  readonly protocol: Protocol
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

export interface PodStatus {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
  /** Checked literals, `podIP` first, each once. */
  readonly podIPs: readonly string[]
  readonly conditions: readonly { readonly type: string; readonly status: string }[]
}

export interface Service extends KubeObject {
  readonly kind: 'Service'
  readonly spec: ServiceSpec
}

export interface ServiceSpec {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** Checked literals; empty for a headless service. */
  readonly clusterIPs: readonly string[]
  /** Empty = its endpoints are told by EndpointSlices alone. */
  readonly selector: Readonly<Record<string, string>>
  readonly ports: readonly ServicePort[]
  readonly publishNotReadyAddresses: boolean
  readonly internalTrafficPolicy: 'Cluster' | 'Local'
  /** As written; an unknown word falls through to the annotations. */
  readonly trafficDistribution: string
  readonly ipFamilies: readonly ('IPv4' | 'IPv6')[]
}

export interface ServicePort {
  readonly name: string
  readonly port: number
  /** A container port's name when text; equals `port` when not given. */
  readonly targetPort: number | string
  readonly protocol: Protocol
  /** Empty when not given. */
  readonly appProtocol: string
}

export interface EndpointSlice extends KubeObject {
  readonly kind: 'EndpointSlice'
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly endpoints: readonly SliceEndpoint[]
  readonly ports: readonly { readonly name: string; readonly port: number | undefined; readonly protocol: Protocol }[]
}

export interface SliceEndpoint {
  readonly addresses: readonly string[]
  /** Unset counts as ready. */
  readonly ready: boolean
  readonly nodeName: string
  readonly targetRef: { readonly kind: string; readonly namespace: string; readonly name: string } | undefined
}

export interface ConfigMap extends KubeObject {
  readonly kind: 'ConfigMap'
  readonly data: Readonly<Record<string, string>>
}

export type MtlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT'

export interface PeerAuthentication extends KubeObject {
  readonly kind: 'PeerAuthentication'
  readonly spec: {
    /** Undefined = the whole namespace, or the mesh in the root namespace. */
    readonly selector: LabelSelector | undefined
    readonly mtls: MtlsMode
    /** By workload port. */
    readonly portLevelMtls: ReadonlyMap<number, MtlsMode>
  }
}

/** All labels must be equal. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>
}

export interface AuthorizationPolicy extends KubeObject {
  readonly kind: 'AuthorizationPolicy'
  readonly spec: {
    readonly selector: LabelSelector | undefined
    readonly targetRefs: readonly TargetRef[]
    readonly action: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM'
    /** Empty unless CUSTOM. */
    readonly provider: string
    readonly rules: readonly PolicyRule[]
  }
}

export interface TargetRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  /** Empty = the policy's own. */
  readonly namespace: string
}

/** Elements of `from` and of `to` are OR-ed, the three lists AND-ed; an empty list was not written and matches everything. */
export interface PolicyRule {
  readonly from: readonly PolicySource[]
  readonly to: readonly PolicyOperation[]
  readonly when: readonly PolicyCondition[]
}

export type PolicySource = Readonly<Record<(typeof SOURCE_FIELDS)[number], readonly string[]>>
export type PolicyOperation = Readonly<Record<(typeof OPERATION_FIELDS)[number], readonly string[]>>

/** Fields of `from[].source`; values are OR-ed, fields AND-ed, `not…` excludes. */
export const SOURCE_FIELDS = [
  'principals',
  'notPrincipals',
  'requestPrincipals',
  'notRequestPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
  'ipBlocks',
  'notIpBlocks',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
] as const

/** Fields of `to[].operation`. */
export const OPERATION_FIELDS = [
  'hosts',
  'notHosts',
  'ports',
  'notPorts',
  'methods',
  'notMethods',
  'paths',
  'notPaths',
] as const

export interface PolicyCondition {
  readonly key: string
  readonly values: readonly string[]
  readonly notValues: readonly string[]
}
