import type { Collection } from './collection.ts'
import type { Graph } from './graph.ts'
import { Table, tableOf } from './table.ts'

/** The union of several collections; of values with one key, that of the collection named first counts. */
export function join<T>(graph: Graph, name: string, collections: readonly Collection<T>[]): Collection<T> {
  return new JoinedTable(graph, name, collections)
}

class JoinedTable<T> extends Table<T> {
  readonly #tables: readonly Table<T>[]
  readonly #dirty = new Set<string>()

  constructor(graph: Graph, name: string, collections: readonly Collection<T>[]) {
    super(graph, name)
    this.#tables = collections.map(tableOf)
    for (const table of this.#tables) {
      table.observe((key) => void this.#dirty.add(key))
      for (const key of table.keys()) this.#dirty.add(key)
    }
    if (this.#dirty.size > 0) graph.changed()
  }

  run(): void {
    for (const key of this.#dirty) {
      this.runs++
      this.write(key, this.#tables.find((table) => table.has(key))?.get(key))
    }
    this.#dirty.clear()
  }
}
