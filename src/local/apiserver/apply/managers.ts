import { isJsonObject } from '../patch/json-object.ts'
import type { ManagedFieldsEntry } from '../types.ts'
import { type FieldSet, isEmptySet, union } from './field-set.ts'
import { formatFieldsV1, parseFieldsV1 } from './fields-v1.ts'

/** Somebody who sets fields. Who applies is the same in every version; who updates is another one in each. */
export interface Manager {
  readonly name: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  /** Empty: the object itself. */
  readonly subresource: string
  /** RFC 3339 with whole seconds; undefined when the client that wrote the entry did not say. */
  readonly time: string | undefined
  readonly fields: FieldSet
}

/** By {@link managerKey}. */
export type Managers = ReadonlyMap<string, Manager>

/** As many who update are kept apart; the oldest are then told of as one. */
const MOST_UPDATERS = 10
const OLD_UPDATERS = 'ancient-changes'
/** Kubernetes' bound of a field manager's name. */
const LONGEST_NAME = 128
const MOST_ENTRIES = 1_000

export function managerKey(manager: Omit<Manager, 'fields' | 'time'>): string {
  const { name, operation, subresource } = manager
  return JSON.stringify([name, operation, subresource, operation === 'Apply' ? '' : manager.apiVersion])
}

/** @returns undefined when the list is not of the form of `metadata.managedFields`; nothing of it is used then */
export function parseManagers(entries: unknown): Managers | undefined {
  if (entries === undefined || entries === null) return new Map()
  if (!Array.isArray(entries) || entries.length > MOST_ENTRIES) return undefined
  const managers = new Map<string, Manager>()
  for (const entry of entries) {
    const manager = parseEntry(entry)
    if (manager === undefined) return undefined
    const key = managerKey(manager)
    const known = managers.get(key)
    managers.set(key, known === undefined ? manager : { ...manager, fields: union(known.fields, manager.fields) })
  }
  return managers
}

function parseEntry(entry: unknown): Manager | undefined {
  if (!isJsonObject(entry)) return undefined
  const { manager: name = '', operation, apiVersion, time, fieldsType, fieldsV1 = {}, subresource = '' } = entry
  if (operation !== 'Apply' && operation !== 'Update') return undefined
  if (typeof name !== 'string' || name.length > LONGEST_NAME || typeof subresource !== 'string') return undefined
  if (typeof apiVersion !== 'string' || apiVersion === '' || fieldsType !== 'FieldsV1') return undefined
  if (time !== undefined && time !== null && !isTime(time)) return undefined
  const fields = parseFieldsV1(fieldsV1)
  if (fields === undefined) return undefined
  return { name, operation, apiVersion, subresource, time: isTime(time) ? time : undefined, fields }
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 40 && !Number.isNaN(Date.parse(value))
}

/** Those that own something, appliers first, then the oldest first; as Kubernetes sorts them. */
export function formatManagers(managers: Managers): readonly ManagedFieldsEntry[] {
  return [...managers.values()]
    .filter(({ fields }) => !isEmptySet(fields))
    .sort(
      (a, b) =>
        compareText(a.operation, b.operation) ||
        secondsOf(a) - secondsOf(b) ||
        compareText(a.name, b.name) ||
        compareText(a.apiVersion, b.apiVersion) ||
        compareText(a.subresource, b.subresource),
    )
    .map(formatEntry)
}

function formatEntry({ name, operation, apiVersion, time, fields, subresource }: Manager): ManagedFieldsEntry {
  return {
    apiVersion,
    fieldsType: 'FieldsV1',
    fieldsV1: formatFieldsV1(fields),
    manager: name,
    operation,
    ...(subresource === '' ? {} : { subresource }),
    ...(time === undefined ? {} : { time }),
  }
}

/** With the oldest of too many updaters put together, one entry a version. */
export function capUpdaters(managers: Managers): Managers {
  const updaters = [...managers.values()]
    .filter(({ operation, fields }) => operation === 'Update' && !isEmptySet(fields))
    .sort((a, b) => secondsOf(a) - secondsOf(b) || compareText(managerKey(a), managerKey(b)))
  let tooMany = updaters.length - MOST_UPDATERS
  if (tooMany <= 0) return managers

  const result = new Map(managers)
  const firstOfVersion = new Map<string, Manager>()
  for (const updater of updaters) {
    if (tooMany <= 0) break
    const { apiVersion } = updater
    const first = firstOfVersion.get(apiVersion)
    if (first === undefined) {
      firstOfVersion.set(apiVersion, updater)
      continue
    }
    result.delete(managerKey(first))
    result.delete(managerKey(updater))
    const fields = union(first.fields, updater.fields)
    const bucket: Manager = { ...updater, name: OLD_UPDATERS, subresource: '', fields }
    result.set(managerKey(bucket), bucket)
    firstOfVersion.set(apiVersion, bucket)
    tooMany--
  }
  return result
}

/** Whole seconds, as Kubernetes writes times. */
export function timeText(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`
}

function secondsOf({ time }: Manager): number {
  return time === undefined ? 0 : Math.floor(Date.parse(time) / 1000)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
