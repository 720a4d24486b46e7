import { meshKinds, type ParentRef } from '#shared/k8s'
import type { ApiDocument, ApiResource } from '#shared/kube-client'
import type { ParentVerdict, RouteVerdict, WaypointConfiguration } from './routes/index.ts'
import { editParents, type StatusEdit, type StatusPen, type StatusTopic } from './status/index.ts'

/** Who speaks in `status.parents` of routes. */
const CONTROLLER = 'ambit.dev/mesh-controller'
const KINDS = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'] as const
const RESOURCES: ReadonlyMap<string, ApiResource> = new Map(KINDS.map((kind) => [kind, resourceOf(kind)]))

/** What waypoints make of Gateway API routes, in the status of their parents. */
export const ROUTES_TOPIC: StatusTopic = {
  name: 'routes',
  resources: [...RESOURCES.values()],
  clear: editParents({ controllerName: CONTROLLER, stated: [], observedGeneration: undefined }),
}

/** States every verdict on a route, now and as it changes. Returns the unsubscribe. */
export function stateRoutes({ verdicts }: Pick<WaypointConfiguration, 'verdicts'>, pen: StatusPen): () => void {
  return verdicts.ofRoutes.subscribe((changes) => {
    for (const change of changes) {
      const { kind, key } = change.type === 'deleted' ? change.before : change.value
      const resource = RESOURCES.get(kind)
      if (resource === undefined) continue
      const slash = key.indexOf('/')
      const subject = { resource, id: { namespace: key.slice(0, slash), name: key.slice(slash + 1) } }
      if (change.type === 'deleted') pen.unsay(subject)
      else pen.say(subject, editOf(change.value))
    }
  })
}

function editOf({ parents, generation }: RouteVerdict): StatusEdit {
  return editParents({ controllerName: CONTROLLER, stated: parents.map(stated), observedGeneration: generation })
}

function stated({ ref, conditions }: ParentVerdict) {
  return {
    ref: documentOf(ref),
    // What is as it should be is no news.
    conditions: conditions.map((condition) => {
      const isGood = condition.status === 'True' && condition.type !== 'PartiallyInvalid'
      return { ...condition, event: isGood ? ('none' as const) : ('Warning' as const) }
    }),
  }
}

/** As Kubernetes has it: without what was not written. */
function documentOf({ group, kind, namespace, name, sectionName, port }: ParentRef): ApiDocument {
  return {
    group,
    kind,
    ...(namespace === '' ? {} : { namespace }),
    name,
    ...(sectionName === '' ? {} : { sectionName }),
    ...(port === undefined ? {} : { port }),
  }
}

function resourceOf(kind: string): ApiResource {
  const reader = meshKinds.find((each) => each.kind === kind)
  if (reader === undefined) throw new TypeError(`${kind} is no kind of the mesh`)
  const { apiVersions, resource, namespaced } = reader
  return { apiVersion: apiVersions[0], kind, resource, namespaced }
}
