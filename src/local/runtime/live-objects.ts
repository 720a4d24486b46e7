import {
  DEFAULT_EXCLUDED_NAMESPACES,
  decideEnrolment,
  type KubeObject,
  type Namespace,
  type ObjectMeta,
  objectKey,
  type Pod,
  type Service,
  type ServiceAccount,
} from '#shared/k8s'
import type { IpFamily } from '#shared/net'
import { deriveSlices } from '../objects/index.ts'

/** A pod as it is now. */
export interface LivePod {
  readonly pod: Pod
  readonly uid: string
  readonly node: string
  /** Empty until it is linked. */
  readonly ips: readonly string[]
  readonly isRunning: boolean
  readonly isReady: boolean
  /** RFC 3339. */
  readonly createdAt: string
  /** RFC 3339; it is being stopped. */
  readonly deletedAt: string | undefined
}

/** A program of the mesh that shows as a pod, as the CA wants to see who runs on which node. */
export interface SystemPod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly serviceAccount: string
  readonly node: string
  readonly ips: readonly string[]
}

/** Everything that the live objects are made from. */
export interface LiveInputs {
  readonly families: readonly IpFamily[]
  readonly nodes: readonly string[]
  readonly systemPods: readonly SystemPod[]
  readonly namespaces: readonly Namespace[]
  readonly serviceAccounts: readonly ServiceAccount[]
  readonly pods: readonly LivePod[]
  /** With their addresses; empty for headless ones. */
  readonly services: readonly { readonly service: Service; readonly ips: readonly string[] }[]
  /** Slices that users wrote, and policies: passed on as they are. */
  readonly others: readonly KubeObject[]
}

export const SYSTEM_NAMESPACE = 'istio-system'
const BUILT_IN_NAMESPACES = ['default', SYSTEM_NAMESPACE]

/** The cluster as its API would show it: what users wrote, with addresses, places and states filled in. */
export function liveObjects(inputs: LiveInputs): readonly KubeObject[] {
  const { families, nodes, systemPods, pods, services, others } = inputs
  const namespaces = allNamespaces(inputs.namespaces)
  const live = pods.map(livePod)
  const endpoints = live.map((pod, i) => ({
    pod,
    isReady: pods[i]?.isReady === true && pods[i]?.deletedAt === undefined,
  }))
  const addressed = services.map(({ service, ips }) => ({ ...service, spec: { ...service.spec, clusterIPs: ips } }))
  return [
    ...nodes.map((name): KubeObject => ({ apiVersion: 'v1', kind: 'Node', metadata: meta('', name) })),
    ...namespaces,
    ...allServiceAccounts(namespaces, inputs),
    ...systemPods.map(systemPod),
    ...live,
    ...addressed,
    // Pods without an address cannot be endpoints yet.
    ...addressed.flatMap((service) =>
      deriveSlices(
        service,
        endpoints.filter(({ pod }) => pod.status.podIPs.length > 0),
        families,
      ),
    ),
    ...others,
  ]
}

/** Users' namespaces and those that are always there. */
export function allNamespaces(written: readonly Namespace[]): readonly Namespace[] {
  const names = new Set(written.map((namespace) => namespace.metadata.name))
  const missing = BUILT_IN_NAMESPACES.filter((name) => !names.has(name))
  return [
    ...missing.map((name): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: meta('', name) })),
    ...written,
  ]
}

/** Every namespace has an account `default`. */
export function hasServiceAccount(written: readonly ServiceAccount[], namespace: string, name: string): boolean {
  return name === 'default' || written.some((account) => objectKey(account) === `${namespace}/${name}`)
}

export function isEnrolled(pod: Pod, namespaces: readonly Namespace[]): boolean {
  const { namespace, labels, annotations } = pod.metadata
  const namespaceLabels = namespaces.find((each) => each.metadata.name === namespace)?.metadata.labels ?? {}
  const facts = {
    namespace,
    namespaceLabels,
    podLabels: labels,
    podAnnotations: annotations,
    isHostNetwork: pod.spec.hostNetwork,
  }
  return decideEnrolment(facts, DEFAULT_EXCLUDED_NAMESPACES).kind === 'enrolled'
}

function livePod({ pod, uid, node, ips, isRunning, isReady, createdAt, deletedAt }: LivePod): Pod {
  const condition = (type: string, isTrue: boolean): { readonly type: string; readonly status: string } => ({
    type,
    status: isTrue ? 'True' : 'False',
  })
  return {
    ...pod,
    metadata: { ...pod.metadata, uid, creationTimestamp: createdAt, deletionTimestamp: deletedAt },
    spec: { ...pod.spec, nodeName: node },
    status: {
      phase: isRunning ? 'Running' : 'Pending',
      podIPs: ips,
      conditions: [
        condition('PodScheduled', true),
        condition('Initialized', true),
        condition('ContainersReady', isReady),
        condition('Ready', isReady),
      ],
    },
  }
}

function systemPod({ namespace, name, uid, serviceAccount, node, ips }: SystemPod): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...meta(namespace, name, { app: 'ztunnel' }), uid },
    spec: { nodeName: node, serviceAccountName: serviceAccount, hostNetwork: true, containers: [], initContainers: [] },
    status: { phase: 'Running', podIPs: ips, conditions: [{ type: 'Ready', status: 'True' }] },
  }
}

function allServiceAccounts(
  namespaces: readonly Namespace[],
  { serviceAccounts, systemPods }: LiveInputs,
): readonly ServiceAccount[] {
  const accounts = new Map(serviceAccounts.map((account) => [objectKey(account), account]))
  const add = (namespace: string, name: string): void => {
    const account: ServiceAccount = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta(namespace, name) }
    if (!accounts.has(objectKey(account))) accounts.set(objectKey(account), account)
  }
  for (const { metadata } of namespaces) add(metadata.name, 'default')
  for (const { namespace, serviceAccount } of systemPods) add(namespace, serviceAccount)
  return [...accounts.values()]
}

function meta(namespace: string, name: string, labels: Readonly<Record<string, string>> = {}): ObjectMeta {
  return {
    name,
    generateName: '',
    namespace,
    // The reader derives one from kind and name.
    uid: '',
    labels,
    annotations: {},
    creationTimestamp: undefined,
    deletionTimestamp: undefined,
    generation: undefined,
    ownerReferences: [],
  }
}
