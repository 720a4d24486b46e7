import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '#shared/document'
import type { ApiDocument } from '#shared/kube-client'
import { editConditions, type StatedCondition } from './conditions.ts'
import type { EventNote, StatusEdit } from './types.ts'

/** What is stated of one parent of a route. */
export interface StatedParent {
  /** As the route's `spec.parentRefs` has it. */
  readonly ref: ApiDocument
  readonly conditions: readonly StatedCondition[]
}

export interface Parents {
  /** Whose parents are ours; those of other controllers are left as they are. */
  readonly controllerName: string
  readonly stated: readonly StatedParent[]
  readonly observedGeneration: number | undefined
}

/** Merges a controller's parents into `status.parents` of a Gateway API route; one that is not stated is taken away. */
export function editParents({ controllerName, stated, observedGeneration }: Parents): StatusEdit {
  return (status, now) => {
    const current = Array.isArray(status.parents) ? status.parents.filter(isRecord) : []
    const others = current.filter((parent) => parent.controllerName !== controllerName)
    const events: EventNote[] = []
    const own = stated.map(({ ref, conditions }): ApiDocument => {
      const before = current.find(
        (parent) => parent.controllerName === controllerName && isDeepStrictEqual(parent.parentRef, ref),
      )
      const held = before?.conditions ?? []
      const types = new Set(conditions.map(({ type }) => type).concat(typesOf(held)))
      const edit = editConditions({ ownTypes: types, stated: conditions, observedGeneration })
      const change = edit({ conditions: held }, now)
      events.push(...(change?.events ?? []))
      return { parentRef: ref, controllerName, conditions: change?.patch.conditions ?? held }
    })
    const parents = [...others, ...own]
    if (isDeepStrictEqual(parents, current)) return undefined
    return { patch: { parents }, events }
  }
}

/** Every condition of a parent of ours is ours. */
function typesOf(conditions: unknown): readonly string[] {
  return Array.isArray(conditions) ? conditions.filter(isRecord).map(({ type }) => String(type)) : []
}
