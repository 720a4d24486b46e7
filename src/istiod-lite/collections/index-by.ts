import type { Collection, Index } from './collection.ts'
import { Watchers } from './dependency.ts'
import { tableOf } from './table.ts'

/** Keeps the values of a collection by other keys. A value may have several of them, or none. */
export function indexBy<T>(collection: Collection<T>, name: string, keysOf: (value: T) => readonly string[]): Index<T> {
  return new TableIndex(collection, name, keysOf)
}

/** Changes with its collection, at once, and so has its place in the order. */
export class TableIndex<T> implements Index<T> {
  readonly name: string
  readonly order: number
  readonly watchers: Watchers = new Watchers()
  readonly #buckets = new Map<string, Map<string, T>>()
  readonly #sorted = new Map<string, readonly T[]>()

  constructor(collection: Collection<T>, name: string, keysOf: (value: T) => readonly string[]) {
    const table = tableOf(collection)
    this.name = name
    this.order = table.order
    const change = (key: string, before: T | undefined, value: T | undefined): void => {
      const old = before === undefined ? [] : keysOf(before)
      const now = value === undefined ? [] : keysOf(value)
      for (const indexKey of old) this.#remove(indexKey, key)
      if (value !== undefined) for (const indexKey of now) this.#add(indexKey, key, value)
      for (const indexKey of new Set([...old, ...now])) this.watchers.tell(indexKey)
    }
    for (const key of table.keys()) change(key, undefined, table.get(key))
    table.observe(change)
  }

  get(key: string): readonly T[] {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return []
    const known = this.#sorted.get(key)
    if (known !== undefined) return known
    const sorted = [...bucket].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
    this.#sorted.set(key, sorted)
    return sorted
  }

  #add(indexKey: string, key: string, value: T): void {
    const bucket = this.#buckets.get(indexKey) ?? new Map<string, T>()
    this.#buckets.set(indexKey, bucket.set(key, value))
    this.#sorted.delete(indexKey)
  }

  #remove(indexKey: string, key: string): void {
    const bucket = this.#buckets.get(indexKey)
    bucket?.delete(key)
    if (bucket?.size === 0) this.#buckets.delete(indexKey)
    this.#sorted.delete(indexKey)
  }
}
