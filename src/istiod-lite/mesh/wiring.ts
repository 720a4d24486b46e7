import { type AuthorizationPolicy, type Service as KubeService, objectKey, type Pod } from '#shared/k8s'
import { type Authorization, type Service, serviceKey, type Workload } from '#shared/model'
import {
  type Collection,
  derive,
  type Fetch,
  type Graph,
  type Index,
  indexBy,
  join,
  singleton,
} from '../collections/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import type { ObjectCondition } from './conditions.ts'
import { slicePods, sliceService, sliceWorkloads } from './endpoints.ts'
import { labelKeys, selectorKey, selects } from './labels.ts'
import { convertPeerAuthentication, peerAuthenticationKey, staticStrict } from './peer-authentications.ts'
import { convertPolicy, type PolicyOutcome } from './policies.ts'
import { meshService } from './services.ts'
import type { MeshSettings } from './settings.ts'
import { waypointCondition } from './waypoints.ts'
import { podWorkload } from './workloads.ts'

/** Everything that is derived from the objects. Keys are the resource names on the wire. */
export interface Mesh {
  /** By uid: pods, and endpoints that are no pods. */
  readonly workloads: Collection<Workload>
  /** By `<namespace>/<hostname>`. */
  readonly services: Collection<Service>
  /** By `<namespace>/<name>`: policies, and what PeerAuthentications become. */
  readonly authorizations: Collection<Authorization>
  /** What authors of objects are to be told, by `<kind> <namespace>/<name>`. */
  readonly conditions: Collection<ObjectCondition>
  /** Pods as they are, by `<namespace>/<name>`, and by `<node> <namespace>/<service account>`. */
  readonly pods: Collection<Pod>
  readonly podsByNodeAccount: Index<Pod>
}

export function nodeAccountKey(node: string, namespace: string, serviceAccount: string): string {
  return `${node} ${namespace}/${serviceAccount}`
}

const NETWORK_LABEL = 'topology.istio.io/network'

/** Joins the derivations: what each reads besides its own input stands here, what it makes of it in its own file. */
export function wireMesh(graph: Graph, objects: ObjectCollections, settings: MeshSettings): Mesh {
  const network = singleton(
    graph,
    'network',
    (fetch) => fetch.one(objects.namespaces, settings.rootNamespace)?.metadata.labels[NETWORK_LABEL] ?? '',
  )
  const services = derive<KubeService, Service>(graph, {
    name: 'services',
    from: objects.services,
    keyOf: serviceKey,
    derive: (service, fetch) => {
      const namespace = fetch.one(objects.namespaces, service.metadata.namespace)
      return some(meshService(service, { settings, network: fetch.value(network), namespace }))
    },
  })
  const serviceConditions = derive<KubeService, ObjectCondition>(graph, {
    name: 'conditions of services',
    from: objects.services,
    keyOf: conditionKey,
    derive: (service, fetch) => {
      const condition = waypointCondition(service, fetch.one(objects.namespaces, service.metadata.namespace))
      return condition === undefined ? [] : [{ kind: 'Service', key: objectKey(service), condition }]
    },
  })
  const policies = wirePolicies(graph, objects, settings)
  const membersOf = wireMembership(objects)
  const podWorkloads = derive<Pod, Workload>(graph, {
    name: 'pod workloads',
    from: objects.pods,
    keyOf: (workload) => workload.uid,
    derive: (pod, fetch) => {
      const facts = {
        settings,
        network: fetch.value(network),
        namespace: fetch.one(objects.namespaces, pod.metadata.namespace),
        node: fetch.one(objects.nodes, pod.spec.nodeName),
        services: membersOf(pod, fetch),
        policies: policies.attachedTo(pod, fetch),
      }
      return some(podWorkload(pod, facts))
    },
  })
  const sliceEndpoints = derive(graph, {
    name: 'slice workloads',
    from: objects.endpointSlices,
    keyOf: (workload: Workload) => workload.uid,
    derive: (slice, fetch) => {
      const service = fetch.one(objects.services, sliceService(slice) ?? '')
      if (service === undefined || service.spec.type === 'ExternalName') return []
      const nodeOf = (name: string) => fetch.one(objects.nodes, name)
      return sliceWorkloads(slice, { settings, network: fetch.value(network), service, nodeOf })
    },
  })
  return {
    workloads: join(graph, 'workloads', [podWorkloads, sliceEndpoints]),
    services,
    authorizations: policies.authorizations,
    conditions: join(graph, 'conditions', [policies.conditions, serviceConditions]),
    pods: objects.pods,
    podsByNodeAccount: indexBy(objects.pods, 'pods by node and account', ({ metadata, spec }) => [
      nodeAccountKey(spec.nodeName, metadata.namespace, spec.serviceAccountName),
    ]),
  }
}

/** Services of a pod: those that select it, and those without a selector whose slices name it. */
function wireMembership(objects: ObjectCollections): (pod: Pod, fetch: Fetch) => readonly KubeService[] {
  const servicesBySelector = indexBy(objects.services, 'services by selector', ({ metadata, spec }) =>
    some(selectorKey(metadata.namespace, spec.selector)),
  )
  const slicesByPod = indexBy(objects.endpointSlices, 'slices by pod', slicePods)
  return (pod, fetch) => {
    const { namespace, labels } = pod.metadata
    const candidates = labelKeys(namespace, labels).flatMap((key) => fetch.by(servicesBySelector, key))
    const selecting = candidates.filter((service) => selects(service.spec.selector, labels))
    const naming = fetch.by(slicesByPod, objectKey(pod)).flatMap((slice) => {
      const service = fetch.one(objects.services, sliceService(slice) ?? '')
      return service === undefined || Object.keys(service.spec.selector).length > 0 ? [] : [service]
    })
    const byKey = new Map([...selecting, ...naming].map((service) => [objectKey(service), service]))
    return [...byKey.values()].filter((service) => service.spec.type !== 'ExternalName').sort(byName)
  }
}

interface Policies {
  readonly authorizations: Collection<Authorization>
  readonly conditions: Collection<ObjectCondition>
  /** Keys that a pod's workload has to name. */
  attachedTo(pod: Pod, fetch: Fetch): readonly string[]
}

/** An AuthorizationPolicy with what became of it. */
interface ConvertedPolicy extends PolicyOutcome {
  readonly policy: AuthorizationPolicy
}

function wirePolicies(graph: Graph, objects: ObjectCollections, settings: MeshSettings): Policies {
  const converted = derive<AuthorizationPolicy, ConvertedPolicy>(graph, {
    name: 'converted policies',
    from: objects.authorizationPolicies,
    keyOf: ({ policy }) => objectKey(policy),
    derive: (policy) => [{ policy, ...convertPolicy(policy, settings) }],
  })
  const bySelector = indexBy(converted, 'policies by selector', ({ policy, authorization }) =>
    authorization === undefined
      ? []
      : some(selectorKey(policy.metadata.namespace, policy.spec.selector?.matchLabels ?? {})),
  )
  const ofPolicies = derive<ConvertedPolicy, Authorization>(graph, {
    name: 'authorizations of policies',
    from: converted,
    keyOf: authorizationKey,
    derive: ({ authorization }) => some(authorization),
  })
  const conditions = derive<ConvertedPolicy, ObjectCondition>(graph, {
    name: 'conditions of policies',
    from: converted,
    keyOf: conditionKey,
    derive: ({ policy, condition }) => [{ kind: 'AuthorizationPolicy', key: objectKey(policy), condition }],
  })

  const byNamespace = indexBy(objects.peerAuthentications, 'peer authentications by namespace', ({ metadata }) => [
    metadata.namespace,
  ])
  const peerAuthenticationsFor = (namespace: string, fetch: Fetch) => ({
    root: fetch.by(byNamespace, settings.rootNamespace),
    namespace: fetch.by(byNamespace, namespace),
  })
  const ofPeerAuthentications = derive(graph, {
    name: 'authorizations of peer authentications',
    from: objects.peerAuthentications,
    keyOf: authorizationKey,
    derive: (policy, fetch) => {
      const others = peerAuthenticationsFor(policy.metadata.namespace, fetch)
      // The static policy is sent as soon as there is any PeerAuthentication at all.
      return [staticStrict(settings), ...some(convertPeerAuthentication(policy, others, settings))]
    },
  })
  return {
    authorizations: join(graph, 'authorizations', [ofPeerAuthentications, ofPolicies]),
    conditions,
    attachedTo: (pod, fetch) => {
      const { namespace, labels } = pod.metadata
      const keys = [...new Set([namespace, settings.rootNamespace])].flatMap((from) => labelKeys(from, labels))
      const selecting = keys
        .flatMap((key) => fetch.by(bySelector, key))
        .filter(({ policy }) => selects(policy.spec.selector?.matchLabels ?? {}, labels))
        .map(({ policy }) => objectKey(policy))
      const strict = peerAuthenticationKey(labels, peerAuthenticationsFor(namespace, fetch), settings)
      return [...selecting.sort(), ...some(strict)]
    },
  }
}

function authorizationKey({ namespace, name }: Authorization): string {
  return `${namespace}/${name}`
}

function conditionKey({ kind, key }: ObjectCondition): string {
  return `${kind} ${key}`
}

function byName(a: KubeService, b: KubeService): number {
  return a.metadata.name < b.metadata.name ? -1 : 1
}

function some<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value]
}
