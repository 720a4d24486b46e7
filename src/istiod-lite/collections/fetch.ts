import type { Collection, Index, Singleton } from './collection.ts'
import type { Dependent } from './dependency.ts'
import { TableIndex } from './index-by.ts'
import { tableOf } from './table.ts'

/** How a derivation reads other collections: whatever it reads through here makes it run again when it changes. */
export interface Fetch {
  one<T>(collection: Collection<T>, key: string): T | undefined
  all<T>(collection: Collection<T>): readonly T[]
  by<T>(index: Index<T>, key: string): readonly T[]
  value<T>(singleton: Singleton<T>): T
}

/** Reads what is settled now, for whoever is no derivation and so never runs again. */
export const plainFetch: Fetch = {
  one: (collection, key) => collection.get(key),
  all: (collection) => collection.list(),
  by: (index, key) => index.get(key),
  value: (singleton) => singleton.get(),
}

/** A fetch that records for `dependent`, whose node stands at `order`. */
export function recordingFetch(dependent: Dependent, order: number, node: string): Fetch {
  const mayRead = (read: { readonly name: string; readonly order: number }): void => {
    if (read.order >= order) throw new Error(`${node} reads ${read.name}, which is made after it`)
  }
  return {
    one(collection, key) {
      const table = tableOf(collection)
      mayRead(table)
      table.watchers.watch(key, dependent)
      return table.get(key)
    },
    all(collection) {
      const table = tableOf(collection)
      mayRead(table)
      table.watchers.watch(undefined, dependent)
      return table.list()
    },
    by(index, key) {
      if (!(index instanceof TableIndex)) throw new Error(`${index.name} is no index of this engine`)
      mayRead(index)
      index.watchers.watch(key, dependent)
      return index.get(key)
    },
    value(singleton) {
      const entry = this.one(singleton.holder, singleton.name)
      if (entry === undefined) throw new Error(`${singleton.name} was never computed`)
      return entry.value
    },
  }
}
