import type { Collection } from './collection.ts'
import type { Graph } from './graph.ts'
import { Table } from './table.ts'

/** A collection that is written from outside: the start of every derivation. */
export interface Source<T> extends Collection<T> {
  set(key: string, value: T): void
  delete(key: string): void
}

export function source<T>(graph: Graph, name: string): Source<T> {
  return new SourceTable<T>(graph, name)
}

class SourceTable<T> extends Table<T> implements Source<T> {
  set(key: string, value: T): void {
    this.write(key, value)
    this.graph.changed()
  }

  delete(key: string): void {
    this.write(key, undefined)
    this.graph.changed()
  }

  run(): void {
    // Written at once by whoever owns it.
  }
}
