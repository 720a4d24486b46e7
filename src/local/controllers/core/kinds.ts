import type { ApiObject, ObjectAccess, ObjectRef, OwnerReference } from '../../apiserver/index.ts'
import type {
  Condition,
  ConfigMap,
  DaemonSet,
  Deployment,
  DisruptionBudget,
  EndpointSlice,
  Endpoints,
  Job,
  Namespace,
  NodeObject,
  Pod,
  ReplicaSet,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
} from './shapes.ts'

/** A resource with the type that its objects are read as: the server has checked them against the kind's schema. */
export interface Kind<T extends ApiObject = ApiObject> {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** Plural. */
  readonly resource: string
  /** Never there at run time: ties the type to the value. */
  readonly type?: T
}

export const NAMESPACES: Kind<Namespace> = { group: '', version: 'v1', kind: 'Namespace', resource: 'namespaces' }
export const NODES: Kind<NodeObject> = { group: '', version: 'v1', kind: 'Node', resource: 'nodes' }
export const PODS: Kind<Pod> = { group: '', version: 'v1', kind: 'Pod', resource: 'pods' }
export const SERVICES: Kind<Service> = { group: '', version: 'v1', kind: 'Service', resource: 'services' }
export const ENDPOINTS: Kind<Endpoints> = { group: '', version: 'v1', kind: 'Endpoints', resource: 'endpoints' }
export const SECRETS: Kind<Secret> = { group: '', version: 'v1', kind: 'Secret', resource: 'secrets' }
export const CONFIG_MAPS: Kind<ConfigMap> = { group: '', version: 'v1', kind: 'ConfigMap', resource: 'configmaps' }
export const SERVICE_ACCOUNTS: Kind<ServiceAccount> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  resource: 'serviceaccounts',
}
export const REPLICA_SETS: Kind<ReplicaSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  resource: 'replicasets',
}
export const DEPLOYMENTS: Kind<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  resource: 'deployments',
}
export const STATEFUL_SETS: Kind<StatefulSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  resource: 'statefulsets',
}
export const DAEMON_SETS: Kind<DaemonSet> = { group: 'apps', version: 'v1', kind: 'DaemonSet', resource: 'daemonsets' }
export const BUDGETS: Kind<DisruptionBudget> = {
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  resource: 'poddisruptionbudgets',
}
export const CLAIMS: Kind = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  resource: 'persistentvolumeclaims',
}
export const AUTOSCALERS: Kind<ApiObject & { readonly status?: { readonly conditions?: readonly Condition[] } }> = {
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  resource: 'horizontalpodautoscalers',
}
export const JOBS: Kind<Job> = { group: 'batch', version: 'v1', kind: 'Job', resource: 'jobs' }
export const ENDPOINT_SLICES: Kind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  resource: 'endpointslices',
}

export function apiVersionOf({ group, version }: Pick<Kind, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`
}

/** The first two fields of every object. */
export function typeOf<T extends ApiObject>(kind: Kind<T>): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind }
}

export function refOf(kind: Pick<Kind, 'group' | 'resource'>, namespace: string, name: string): ObjectRef {
  return { group: kind.group, resource: kind.resource, namespace, name }
}

export function refTo(kind: Pick<Kind, 'group' | 'resource'>, object: ApiObject): ObjectRef {
  return refOf(kind, object.metadata.namespace ?? '', object.metadata.name)
}

export function read<T extends ApiObject>(access: ObjectAccess, kind: Kind<T>, key: string): T | undefined {
  const { namespace, name } = splitKey(key)
  return access.get(refOf(kind, namespace, name)) as T | undefined
}

/** @param namespace empty: all */
export function listOf<T extends ApiObject>(access: ObjectAccess, kind: Kind<T>, namespace: string): readonly T[] {
  return access.list({ group: kind.group, resource: kind.resource, namespace }).items as readonly T[]
}

/** `namespace/name`, or only the name of what has no namespace. */
export function keyOf({ metadata }: ApiObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, Math.max(slash, 0)), name: key.slice(slash + 1) }
}

/** The one owner that manages the object. */
export function controllerOf({ metadata }: ApiObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)
}

/** As a controller refers to itself in what it makes. */
export function ownerReference<T extends ApiObject>(kind: Kind<T>, { metadata }: ApiObject): OwnerReference {
  return {
    ...typeOf(kind),
    name: metadata.name,
    uid: metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** Keys for a watch of what a kind makes: the key of the object's controller when it is of that kind. */
export function keyOfController<T extends ApiObject>(kind: Kind<T>): (event: { object: ApiObject }) => string[] {
  return ({ object }) => {
    const owner = controllerOf(object)
    const isOurs = owner?.kind === kind.kind && groupOf(owner.apiVersion) === kind.group
    return isOurs ? [`${object.metadata.namespace}/${owner.name}`] : []
  }
}

/** Keys for a watch of the kind itself. */
export function ownKey(event: { readonly object: ApiObject }): string[] {
  return [keyOf(event.object)]
}

export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

export function isDeleting({ metadata }: ApiObject): boolean {
  return metadata.deletionTimestamp !== undefined
}

/** RFC 3339 with whole seconds, as times in metadata and status are written. */
export function timeText(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`
}
