import type { Graph, Singleton } from '../collections/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import type { ObjectCondition } from './conditions.ts'
import type { MeshSettings } from './settings.ts'
import type { WiredSettings } from './wire-settings.ts'

/** What every topic of the wiring is given. */
export interface WireParts {
  readonly graph: Graph
  readonly objects: ObjectCollections
  readonly settings: MeshSettings
  /** Name of the network of this cluster; empty when it has none. */
  readonly network: Singleton<string>
  /** What users say in the mesh's ConfigMap. */
  readonly meshConfig: WiredSettings
}

/** Whom policies and services select: the part of a pod, or of an entry that stands for one. */
export interface Labelled {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

export function conditionKey({ kind, key, condition }: ObjectCondition): string {
  return `${kind} ${key} ${condition.type}`
}

export function some<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value]
}
