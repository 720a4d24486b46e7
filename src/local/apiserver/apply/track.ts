import { isJsonObject } from '../patch/json-object.ts'
import type { ApiObject, FieldManagement } from '../types.ts'
import { withoutManagedFields } from './apply.ts'
import { isEmptySet, NO_FIELDS, union } from './field-set.ts'
import { managedScope, ownableChanges } from './managed-scope.ts'
import { capUpdaters, formatManagers, type Managers, managerKey, parseManagers, timeText } from './managers.ts'
import { afterChange } from './ownership.ts'
import { compareValues } from './typed-values.ts'

/**
 * Who owns what after a write that is no apply: what it added or changed becomes the writer's, and is nobody else's any
 * more. An object whose list was emptied is not tracked until it is applied to.
 */
export const track: FieldManagement['track'] = (old, changed, applyScope) => {
  const scope = managedScope(applyScope)
  const before = managersToGoOnFrom(old, changed, applyScope.subresource)
  if (old !== undefined && before.size === 0) return []

  const from = old === undefined ? {} : withoutManagedFields(old)
  const change = ownableChanges(compareValues(from, withoutManagedFields(changed), scope.schema), scope)
  const managers = afterChange(before, change)
  const taken = union(change.modified, change.added)
  if (!isEmptySet(taken)) {
    const me = scope.manager('Update')
    const key = managerKey(me)
    const fields = union(managers.get(key)?.fields ?? NO_FIELDS, taken)
    managers.set(key, { ...me, time: timeText(applyScope.nowMs), fields })
  }
  return formatManagers(capUpdaters(managers))
}

/**
 * What the client sent counts when it is a list of managers (kubectl moves fields from its client-side to its server-side
 * name this way), and an empty one forgets them all. Otherwise, and always through a subresource, it is what was there.
 */
function managersToGoOnFrom(old: ApiObject | undefined, changed: ApiObject, subresource: string): Managers {
  const kept = parseManagers(old?.metadata.managedFields) ?? new Map()
  const sent: unknown = changed.metadata.managedFields
  if (subresource !== '' || !Array.isArray(sent)) return kept
  if (isReset(sent)) return new Map()
  return parseManagers(sent) ?? kept
}

function isReset(sent: readonly unknown[]): boolean {
  const [first] = sent
  return sent.length === 0 || (sent.length === 1 && isJsonObject(first) && Object.keys(first).length === 0)
}
