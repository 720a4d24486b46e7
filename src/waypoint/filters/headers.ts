import { type HeaderChanges, headerProblem } from '#shared/l7'
import type { Fields } from '../codec/index.ts'
import { octets } from '../route/index.ts'

/** Set, add, remove, in this order. What no rule may change stays, whoever sent the record. */
export function changeFields(fields: Fields, changes: HeaderChanges): void {
  for (const { name, value } of changes.set) if (mayChange(name, value)) fields.set(name, octets(value))
  for (const { name, value } of changes.add) if (mayChange(name, value)) fields.add(name, octets(value))
  for (const name of changes.remove) if (mayChange(name, '')) fields.remove(name)
}

export function changesNothing({ set, add, remove }: HeaderChanges): boolean {
  return set.length + add.length + remove.length === 0
}

/** The host has a field of its own in the record. */
function mayChange(name: string, value: string): boolean {
  return name !== 'host' && headerProblem(name, value) === undefined
}
