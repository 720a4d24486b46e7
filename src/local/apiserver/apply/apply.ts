import { isEqualJson } from '../objects/json-equal.ts'
import { isTooDeep, type JsonObject } from '../patch/json-object.ts'
import type { ApiObject, ApplyOutcome, FieldManagement, ManagedFieldsEntry } from '../types.ts'
import {
  difference,
  type FieldSet,
  fieldSet,
  intersection,
  isEmptySet,
  isEqualSet,
  NO_FIELDS,
  ONE_FIELD,
  union,
  withNamedParents,
} from './field-set.ts'
import { lastAppliedFields, withLastApplied } from './last-applied.ts'
import { type ManagedScope, managedScope, ownableChanges } from './managed-scope.ts'
import { formatManagers, type Manager, type Managers, managerKey, parseManagers, timeText } from './managers.ts'
import { afterChange, conflictCauses, findConflicts } from './ownership.ts'
import { listProblem, withoutNulls } from './typed-children.ts'
import { compareValues, fieldsOf, mergeValues, removeFields } from './typed-values.ts'

/** Owns everything that was there before an object that was never tracked is first applied to. */
const BEFORE_FIRST_APPLY = 'before-first-apply'

/** Nobody owns a name, and nobody can remove what holds it. */
const IDENTITY = fieldSet(false, [['f:metadata', fieldSet(false, [['f:name', ONE_FIELD]])]])

/**
 * One server-side apply: live object and manifest become one, fields that this manager applied before and has no more
 * go unless somebody else owns them, and who sets what is written down.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
export const apply: FieldManagement['apply'] = (current, applied, applyScope, force): ApplyOutcome => {
  const scope = managedScope(applyScope)
  const problem = manifestProblem(applied, scope)
  if (problem !== undefined) return { kind: 'malformed', problem }
  const manifest = withoutNulls(scope.writable(withoutManagedFields(applied)))

  const before = currentManagers(current, scope)
  const me = scope.manager('Apply')
  const myKey = managerKey(me)
  const last = before.get(myKey)
  const fields = scope.ownable(fieldsOf(manifest, scope.schema))
  const others = new Map([...before].filter(([key]) => key !== myKey))

  const live = current === undefined ? {} : withoutManagedFields(current)
  const merged = mergeValues(live, manifest, scope.schema) as JsonObject
  const hasDropped = last !== undefined && !isEmptySet(difference(last.fields, fields))
  const object = hasDropped ? prune(merged, last.fields, fields, others, scope) : merged

  const change = ownableChanges(compareValues(live, object, scope.schema), scope)
  const conflicts = force ? [] : findConflicts(others, change)
  const known = current === undefined ? NO_FIELDS : lastAppliedFields(current, applyScope.fieldManager, scope)
  const remaining = conflicts
    .map((conflict) => ({ ...conflict, fields: difference(conflict.fields, known) }))
    .filter((conflict) => !isEmptySet(conflict.fields))
  if (remaining.length > 0) return { kind: 'conflict', causes: conflictCauses(remaining) }

  const isUnchanged = current !== undefined && last !== undefined && isEqualSet(last.fields, fields)
  if (isUnchanged && isEqualJson(live, object)) return { kind: 'applied', object: current }

  const managers = afterChange(others, change)
  managers.set(myKey, { ...me, time: timeText(applyScope.nowMs), fields })
  const tracked =
    current === undefined ? (object as ApiObject) : withLastApplied(object as ApiObject, current, manifest, me.name)
  return { kind: 'applied', object: withManagedFields(tracked, formatManagers(managers)) }
}

function manifestProblem(applied: ApiObject, scope: ManagedScope): string | undefined {
  const { managedFields } = applied.metadata
  if (managedFields !== undefined && managedFields !== null && managedFields.length > 0) {
    return 'metadata.managedFields must be nil'
  }
  if (isTooDeep(applied)) return 'the manifest is nested too deeply'
  const problem = listProblem(withoutNulls(applied), scope.schema)
  return problem === undefined ? undefined : `failed to create typed patch object: ${problem}`
}

/** A list that cannot be read counts as none. */
function currentManagers(current: ApiObject | undefined, scope: ManagedScope): Managers {
  if (current === undefined) return new Map()
  const managers = parseManagers(current.metadata.managedFields) ?? new Map<string, Manager>()
  if (managers.size > 0) return managers
  const everything: Manager = {
    ...scope.manager('Update'),
    name: BEFORE_FIRST_APPLY,
    subresource: '',
    time: undefined,
    fields: scope.ownable(compareValues({}, withoutManagedFields(current), scope.schema).added),
  }
  return new Map([[managerKey(everything), everything]])
}

/**
 * Removes what this manager applied last time and nobody wants any more. Three steps, because fields hold one another:
 * take away all it had; put back what somebody owns, with what holds it; put back what nobody owns, unless it was this
 * manager's own.
 */
function prune(merged: JsonObject, last: FieldSet, now: FieldSet, others: Managers, scope: ManagedScope): JsonObject {
  const { schema } = scope
  const parents = (set: FieldSet): FieldSet => withNamedParents(set, schema)
  const all = parents(fieldsOf(merged, schema))
  const setOf = (value: unknown): FieldSet => parents(fieldsOf(value ?? {}, schema))

  const bare = removeFields(merged, parents(last), schema, 'null')
  const owned = [...others.values()].reduce((set, { fields }) => union(set, fields), union(now, IDENTITY))
  const unowned = difference(all, union(setOf(bare), parents(owned)))
  const wanted = removeFields(merged, scope.ownable(unowned), schema, 'null')
  const gone = intersection(difference(all, setOf(wanted)), parents(last))
  return (removeFields(merged, scope.ownable(gone), schema) ?? {}) as JsonObject
}

export function withoutManagedFields(object: ApiObject): ApiObject {
  const { managedFields: _managed, ...metadata } = object.metadata
  return { ...object, metadata }
}

function withManagedFields(object: ApiObject, managedFields: readonly ManagedFieldsEntry[]): ApiObject {
  return { ...object, metadata: { ...object.metadata, managedFields } }
}
