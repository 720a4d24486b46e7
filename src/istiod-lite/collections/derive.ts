import type { Collection } from './collection.ts'
import type { Dependent, Watchers } from './dependency.ts'
import { type Fetch, recordingFetch } from './fetch.ts'
import type { Graph } from './graph.ts'
import { Table, tableOf } from './table.ts'

export interface Derivation<I, O> {
  readonly name: string
  readonly from: Collection<I>
  readonly keyOf: (output: O) => string
  /** Pure; reads other collections through `fetch` only. Usually gives one output or none. */
  readonly derive: (input: I, fetch: Fetch) => readonly O[]
}

/**
 * A collection that is computed from another, input by input. An input runs again when it changes or when anything that
 * it fetched changes; an output equal to the one before goes no further. Of two inputs with an output of the same key
 * the one with the smaller key counts, whatever came first.
 */
export function derive<I, O>(graph: Graph, derivation: Derivation<I, O>): Collection<O> {
  return new DerivedTable(graph, derivation)
}

class DerivedTable<I, O> extends Table<O> {
  readonly #derivation: Derivation<I, O>
  readonly #from: Table<I>
  readonly #dirty = new Set<string>()
  readonly #inputs = new Map<string, InputState<O>>()
  /** By output key: the inputs that give it. */
  readonly #claims = new Map<string, Set<string>>()

  constructor(graph: Graph, derivation: Derivation<I, O>) {
    super(graph, derivation.name)
    this.#derivation = derivation
    this.#from = tableOf(derivation.from)
    this.#from.observe((key) => void this.#dirty.add(key))
    for (const key of this.#from.keys()) this.#dirty.add(key)
    if (this.#dirty.size > 0) graph.changed()
  }

  run(): void {
    if (this.#dirty.size === 0) return
    const touched = new Set<string>()
    for (const key of [...this.#dirty]) this.#runInput(key, touched)
    this.#dirty.clear()
    for (const outputKey of touched) this.#settleOutput(outputKey)
  }

  #runInput(key: string, touched: Set<string>): void {
    const old = this.#inputs.get(key)
    old?.forget()
    const input = this.#from.get(key)
    if (input === undefined) this.#inputs.delete(key)
    const outputs = input === undefined ? new Map<string, O>() : this.#compute(key, input, old)
    for (const outputKey of old?.outputs.keys() ?? []) {
      touched.add(outputKey)
      if (!outputs.has(outputKey)) this.#unclaim(outputKey, key)
    }
    for (const outputKey of outputs.keys()) {
      touched.add(outputKey)
      this.#claims.set(outputKey, (this.#claims.get(outputKey) ?? new Set()).add(key))
    }
  }

  #compute(key: string, input: I, old: InputState<O> | undefined): ReadonlyMap<string, O> {
    this.runs++
    const state = new InputState<O>(() => void this.#dirty.add(key))
    this.#inputs.set(key, state)
    try {
      const outputs = this.#derivation.derive(input, recordingFetch(state, this.order, this.name))
      state.outputs = new Map(outputs.map((output) => [this.#derivation.keyOf(output), output]))
    } catch (error) {
      state.outputs = old?.outputs ?? new Map()
      this.graph.failed(this.name, key, error)
    }
    return state.outputs
  }

  #unclaim(outputKey: string, key: string): void {
    const claims = this.#claims.get(outputKey)
    claims?.delete(key)
    if (claims?.size === 0) this.#claims.delete(outputKey)
  }

  #settleOutput(outputKey: string): void {
    let first: string | undefined
    for (const key of this.#claims.get(outputKey) ?? []) if (first === undefined || key < first) first = key
    this.write(outputKey, first === undefined ? undefined : this.#inputs.get(first)?.outputs.get(outputKey))
  }
}

/** One input's last outputs, and everything that it read. */
class InputState<O> implements Dependent {
  outputs: ReadonlyMap<string, O> = new Map()
  readonly #onStale: () => void
  readonly #read: (readonly [Watchers, string])[] = []

  constructor(onStale: () => void) {
    this.#onStale = onStale
  }

  invalidate(): void {
    this.#onStale()
  }

  remember(watchers: Watchers, key: string): void {
    this.#read.push([watchers, key])
  }

  forget(): void {
    for (const [watchers, key] of this.#read) watchers.unwatch(key, this)
    this.#read.length = 0
  }
}
