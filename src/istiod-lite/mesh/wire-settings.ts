import { type EntryVisibility, type MeshConfig, objectKey } from '#shared/k8s'
import { type Collection, derive, type Fetch, type Graph, singleton } from '../collections/index.ts'
import { meshConfigKey, type ObjectCollections } from '../sources/index.ts'
import type { ObjectCondition } from './conditions.ts'
import { meshConfigCondition } from './entry-conditions.ts'
import { visibilityOf } from './entry-hosts.ts'
import type { MeshSettings } from './settings.ts'
import { conditionKey } from './wire-parts.ts'

/** The mesh's ConfigMap, in the parts that derivations read: who reads one part does not rerun for another. */
export interface WiredSettings {
  readonly conditions: Collection<ObjectCondition>
  /** Something is said of who sees ServiceEntries. */
  isVisibilityConfigured(fetch: Fetch): boolean
  visibilityIn(namespace: string, fetch: Fetch): EntryVisibility
}

export function wireSettings(graph: Graph, objects: ObjectCollections, settings: MeshSettings): WiredSettings {
  const key = meshConfigKey(settings.rootNamespace)
  const rules = singleton(
    graph,
    'visibility of entries',
    (fetch) => fetch.one(objects.meshConfigs, key)?.spec.serviceEntryVisibility,
  )
  const conditions = derive<MeshConfig, ObjectCondition>(graph, {
    name: 'conditions of settings',
    from: objects.meshConfigs,
    keyOf: conditionKey,
    derive: (config) => {
      const condition = objectKey(config) === key ? meshConfigCondition(config, settings) : undefined
      return condition === undefined ? [] : [{ kind: 'ConfigMap', key, condition }]
    },
  })
  return {
    conditions,
    isVisibilityConfigured: (fetch) => fetch.value(rules) !== undefined,
    visibilityIn: (namespace, fetch) => visibilityOf(fetch.value(rules), fetch.one(objects.namespaces, namespace)),
  }
}
