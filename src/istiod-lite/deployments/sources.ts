import { type KindReader, type ObjectSource, objectKey } from '#shared/k8s'
import type { WatchedKind } from '#shared/kube-client'
import { type Collection, type Graph, source } from '../collections/index.ts'
import { type ParametersMap, parametersKind } from './parameters.ts'
import { MANAGED_LABEL, MANAGER, RESOURCES } from './resources.ts'

const { serviceAccount: _, service: __, ...made } = RESOURCES

/** What this room follows beside what the mesh does: of its own objects that they are there, and all that may be parameters. */
export const MADE_KINDS: readonly WatchedKind[] = [
  ...Object.values(made).map(({ apiVersion, kind, resource, namespaced }): WatchedKind => {
    const reader: KindReader = { kind, apiVersions: [apiVersion], resource, namespaced, body: () => ({}) }
    return { reader, labelSelector: `${MANAGED_LABEL}=${MANAGER}` }
  }),
  { reader: parametersKind },
]

/** Keeps a collection of ConfigMaps equal to what the source tells, until the unsubscribe that it returns. */
export function collectParameters(
  graph: Graph,
  objects: ObjectSource,
): { readonly maps: Collection<ParametersMap>; readonly end: () => void } {
  const maps = source<ParametersMap>(graph, 'parameters')
  const end = objects.subscribe<string>('ConfigMap', ({ type, object }) => {
    if (type === 'deleted') maps.delete(objectKey(object))
    // Read by `parametersKind`, of which this source has no other.
    else maps.set(objectKey(object), object as ParametersMap)
  })
  return { maps, end }
}
