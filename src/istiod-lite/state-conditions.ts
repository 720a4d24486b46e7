import { meshKinds } from '#shared/k8s'
import type { ApiResource } from '#shared/kube-client'
import { type Condition, isMet, type Mesh, type ObjectCondition } from './mesh/index.ts'
import {
  editConditions,
  type StatedCondition,
  type StatusPen,
  type StatusSubject,
  type StatusTopic,
} from './status/index.ts'

const OWN_TYPES: ReadonlySet<Condition['type']> = new Set<Condition['type']>([
  'ZtunnelAccepted',
  'WaypointAccepted',
  'istio.io/WaypointBound',
  'istio.io/WaypointMissing',
  'istio.io/VisibilityApplied',
  'ambit.dev/AppliedAsWritten',
])
/** A ConfigMap has no status: what is wrong with the mesh's settings stands in the log and in `/debug/problems` alone. */
const KINDS = [
  'AuthorizationPolicy',
  'PeerAuthentication',
  'Service',
  'ServiceEntry',
  'WorkloadEntry',
  'VirtualService',
  'DestinationRule',
  'RequestAuthentication',
  'Telemetry',
  'RateLimit',
] as const
const RESOURCES: ReadonlyMap<string, ApiResource> = new Map(KINDS.map((kind) => [kind, resourceOf(kind)]))
/** Worth knowing, and no danger. */
const CALM_REASONS: ReadonlySet<Condition['reason']> = new Set([
  'SelectsNothing',
  'WaypointUnused',
  'DisableIsPermissive',
])

/** What the mesh makes of objects, in their conditions. */
export const CONDITIONS_TOPIC: StatusTopic = {
  name: 'conditions',
  resources: [...RESOURCES.values()],
  clear: editConditions({ ownTypes: OWN_TYPES, stated: [], observedGeneration: undefined }),
}

/** States every condition of the mesh, now and as it changes. Returns the unsubscribe. */
export function stateConditions({ conditions }: Pick<Mesh, 'conditions'>, pen: StatusPen): () => void {
  /** By `<kind> <namespace>/<name>`, then by type. */
  const held = new Map<string, Map<string, ObjectCondition>>()
  return conditions.subscribe((changes) => {
    const touched = new Map<string, ObjectCondition>()
    for (const change of changes) {
      const condition = change.type === 'deleted' ? change.before : change.value
      const object = `${condition.kind} ${condition.key}`
      const ofObject = held.get(object) ?? new Map<string, ObjectCondition>()
      if (change.type === 'deleted') ofObject.delete(condition.condition.type)
      else ofObject.set(condition.condition.type, condition)
      held.set(object, ofObject)
      touched.set(object, condition)
    }
    for (const [object, some] of touched) {
      const subject = subjectOf(some)
      const stated = [...(held.get(object)?.values() ?? [])]
      if (stated.length === 0) held.delete(object)
      if (subject === undefined) continue
      if (stated.length === 0) pen.unsay(subject)
      else pen.say(subject, editOf(stated))
    }
  })
}

function editOf(conditions: readonly ObjectCondition[]): ReturnType<typeof editConditions> {
  const generations = conditions.flatMap(({ generation }) => generation ?? [])
  return editConditions({
    ownTypes: OWN_TYPES,
    stated: conditions.map(statedCondition),
    observedGeneration: generations.length === 0 ? undefined : Math.max(...generations),
  })
}

function statedCondition(object: ObjectCondition): StatedCondition {
  const { condition } = object
  // Beside one of ours, which says more, Istio's word for the same would be told twice.
  const isTold = isMet(object) || condition.type === 'ZtunnelAccepted' || condition.type === 'WaypointAccepted'
  const event = isTold ? 'none' : CALM_REASONS.has(condition.reason) ? 'Normal' : 'Warning'
  return { ...condition, event }
}

function subjectOf({ kind, key }: ObjectCondition): StatusSubject | undefined {
  const resource = RESOURCES.get(kind)
  const slash = key.indexOf('/')
  return resource && { resource, id: { namespace: key.slice(0, slash), name: key.slice(slash + 1) } }
}

/** A kind of the mesh, as the API calls it. */
export function resourceOf(kind: string): ApiResource {
  const reader = meshKinds.find((each) => each.kind === kind)
  if (reader === undefined) throw new TypeError(`${kind} is no kind of the mesh`)
  const { apiVersions, resource, namespaced } = reader
  return { apiVersion: apiVersions[0], kind, resource, namespaced }
}
