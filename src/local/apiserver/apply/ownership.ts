import { difference, type FieldSet, intersection, isEmptySet, memberPaths, union } from './field-set.ts'
import type { Manager, Managers } from './managers.ts'
import { formatPath } from './path-element.ts'
import type { Comparison } from './typed-values.ts'

/** One field that somebody else has, and that this write would change. */
export interface FieldConflict {
  readonly manager: Manager
  readonly fields: FieldSet
}

/** Which of the others' fields a change touches. */
export function findConflicts(others: Managers, change: Comparison): readonly FieldConflict[] {
  const touched = union(change.modified, change.added)
  return [...others.values()]
    .map((manager) => ({ manager, fields: intersection(manager.fields, touched) }))
    .filter(({ fields }) => !isEmptySet(fields))
}

/** The others after the change: what it changed or removed is theirs no more. */
export function afterChange(others: Managers, change: Comparison): Map<string, Manager> {
  const lost = union(union(change.modified, change.added), change.removed)
  const result = new Map<string, Manager>()
  for (const [key, manager] of others) {
    const fields = difference(manager.fields, lost)
    if (!isEmptySet(fields)) result.set(key, { ...manager, fields })
  }
  return result
}

/** Causes of a 409, one a field; `message` names the manager, `field` the path. */
export function conflictCauses(conflicts: readonly FieldConflict[]): readonly ConflictCause[] {
  return conflicts.flatMap(({ manager, fields }) =>
    [...memberPaths(fields)].map((path) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${describeManager(manager)}`,
      field: formatPath(path),
    })),
  )
}

export interface ConflictCause {
  readonly reason: string
  readonly message: string
  readonly field?: string
}

/** `Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas`. */
export function conflictMessage(causes: readonly ConflictCause[]): string {
  const [only, second] = causes
  if (only !== undefined && second === undefined) return `Apply failed with 1 conflict: ${only.message}: ${only.field}`
  const byManager = Map.groupBy(causes, ({ message }) => message.replace(/^conflict /, 'conflicts '))
  const lines = [...byManager]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([manager, fields]) => [`${manager}:`, ...fields.map(({ field }) => `- ${field}`)])
  return `Apply failed with ${causes.length} conflicts: ${lines.join('\n')}`
}

function describeManager({ name, operation, apiVersion, subresource, time }: Manager): string {
  const which = subresource === '' ? JSON.stringify(name) : `${JSON.stringify(name)} with subresource "${subresource}"`
  if (operation === 'Apply') return which
  return time === undefined ? `${which} using ${apiVersion}` : `${which} using ${apiVersion} at ${time}`
}
