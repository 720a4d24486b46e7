import type { ApiObject, ObjectKey, Revision, StoredObject } from './types.ts'

/** Sorts below every character that a name may have, so that keys sort by namespace, then name. */
const SEPARATOR = '\0'

export function keyText(namespace: string, name: string): string {
  return namespace + SEPARATOR + name
}

/** All objects of one resource, with their keys in order when asked. */
class ResourceTable {
  readonly #objects = new Map<string, StoredObject>()
  /** Undefined: must be sorted again. */
  #sorted: readonly string[] | undefined = []

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key)
  }

  set(key: string, stored: StoredObject): void {
    if (!this.#objects.has(key)) this.#sorted = undefined
    this.#objects.set(key, stored)
  }

  delete(key: string): void {
    if (this.#objects.delete(key)) this.#sorted = undefined
  }

  values(): IterableIterator<StoredObject> {
    return this.#objects.values()
  }

  sortedKeys(): readonly string[] {
    this.#sorted ??= [...this.#objects.keys()].sort()
    return this.#sorted
  }
}

/** What there is now, by resource. */
export class ObjectTables {
  readonly #resources = new Map<string, ResourceTable>()

  get(key: ObjectKey): StoredObject | undefined {
    return this.#resources.get(key.resource)?.get(keyText(key.namespace, key.name))
  }

  put(stored: StoredObject): void {
    let table = this.#resources.get(stored.key.resource)
    if (table === undefined) {
      table = new ResourceTable()
      this.#resources.set(stored.key.resource, table)
    }
    table.set(keyText(stored.key.namespace, stored.key.name), stored)
  }

  remove(key: ObjectKey): void {
    this.#resources.get(key.resource)?.delete(keyText(key.namespace, key.name))
  }

  /** Sorted objects of a resource, of one namespace or all. */
  sorted(resource: string, namespace: string | undefined): readonly StoredObject[] {
    const table = this.#resources.get(resource)
    if (table === undefined) return []
    const keys = table.sortedKeys()
    const prefix = namespace === undefined ? '' : namespace + SEPARATOR
    const found: StoredObject[] = []
    for (let i = prefix === '' ? 0 : firstAtOrBehind(keys, prefix); i < keys.length; i++) {
      const key = keys[i] as string
      if (!key.startsWith(prefix)) break
      found.push(table.get(key) as StoredObject)
    }
    return found
  }

  /** Everything, in no order; a copy, so that it can be written while others change. */
  everything(): StoredObject[] {
    return [...this.#resources.values()].flatMap((table) => [...table.values()])
  }
}

/** Index of the first key that is not before `wanted`. */
export function firstAtOrBehind(keys: readonly string[], wanted: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as string) < wanted) low = middle + 1
    else high = middle
  }
  return low
}

/** The object under its revision. */
export function stamped(key: ObjectKey, object: ApiObject, revision: Revision): StoredObject {
  const metadata = { ...object.metadata, resourceVersion: String(revision) }
  return { key, revision, object: { ...object, metadata } }
}
