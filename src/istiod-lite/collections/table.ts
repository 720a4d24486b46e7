import { isDeepStrictEqual } from 'node:util'
import type { Change, Collection, NodeStatistics } from './collection.ts'
import { Watchers } from './dependency.ts'
import type { Graph, GraphNode } from './graph.ts'

/** The values of one collection, who reads them, and what subscribers have not been told yet. */
export abstract class Table<T> implements Collection<T>, GraphNode {
  readonly name: string
  /** Its place: only younger nodes may read it. */
  readonly order: number
  readonly watchers: Watchers = new Watchers()
  protected readonly graph: Graph
  protected runs = 0
  #equals = 0
  readonly #values = new Map<string, T>()
  /** Told of each change at once, before anything younger runs. */
  readonly #observers: ((key: string, before: T | undefined, value: T | undefined) => void)[] = []
  readonly #subscribers = new Set<(changes: readonly Change<T>[]) => void>()
  /** What subscribers know of each key that changed since they were told. */
  readonly #untold = new Map<string, T | undefined>()
  #sorted: readonly T[] | undefined

  constructor(graph: Graph, name: string) {
    this.graph = graph
    this.name = name
    this.order = graph.add(this)
  }

  abstract run(): void

  get size(): number {
    return this.#values.size
  }

  get(key: string): T | undefined {
    return this.#values.get(key)
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  list(): readonly T[] {
    this.#sorted ??= [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
    return this.#sorted
  }

  keys(): Iterable<string> {
    return this.#values.keys()
  }

  observe(observer: (key: string, before: T | undefined, value: T | undefined) => void): void {
    this.#observers.push(observer)
  }

  subscribe(listener: (changes: readonly Change<T>[]) => void): () => void {
    this.graph.settle()
    const all = [...this.#values].map(([key, value]): Change<T> => ({ type: 'added', key, value }))
    if (all.length > 0) listener(all)
    this.#subscribers.add(listener)
    return () => void this.#subscribers.delete(listener)
  }

  deliver(): void {
    if (this.#untold.size === 0) return
    const changes = [...this.#untold].flatMap(([key, before]) => changeOf(key, before, this.#values.get(key)) ?? [])
    this.#untold.clear()
    if (changes.length > 0) for (const listener of [...this.#subscribers]) listener(changes)
  }

  statistics(): NodeStatistics {
    return { name: this.name, size: this.size, runs: this.runs, equals: this.#equals }
  }

  /** Sets or, with undefined, removes; equal stops here. */
  protected write(key: string, value: T | undefined): void {
    const before = this.#values.get(key)
    if (before === value) return
    if (before !== undefined && isDeepStrictEqual(before, value)) {
      this.#equals++
      return
    }
    if (value === undefined) this.#values.delete(key)
    else this.#values.set(key, value)
    this.#sorted = undefined
    if (!this.#untold.has(key)) this.#untold.set(key, before)
    for (const observer of this.#observers) observer(key, before, value)
    this.watchers.tell(key)
  }
}

/** Undefined when nothing is different in the end. */
function changeOf<T>(key: string, before: T | undefined, value: T | undefined): Change<T> | undefined {
  if (value === undefined) return before === undefined ? undefined : { type: 'deleted', key, before }
  if (before === undefined) return { type: 'added', key, value }
  return isDeepStrictEqual(before, value) ? undefined : { type: 'updated', key, value, before }
}

/** The one implementation behind `Collection`; only tables of this room exist. */
export function tableOf<T>(collection: Collection<T>): Table<T> {
  if (collection instanceof Table) return collection
  throw new Error(`${collection.name} is no collection of this engine`)
}
