import type { Singleton } from './collection.ts'
import { derive } from './derive.ts'
import type { Fetch } from './fetch.ts'
import type { Graph } from './graph.ts'
import { source } from './source.ts'

/** A value that is derived from collections, such as a policy that holds for the whole mesh. */
export function singleton<T>(graph: Graph, name: string, compute: (fetch: Fetch) => T): Singleton<T> {
  const start = source<true>(graph, `${name} (start)`)
  const holder = derive<true, { readonly value: T }>(graph, {
    name,
    from: start,
    keyOf: () => name,
    derive: (_, fetch) => [{ value: compute(fetch) }],
  })
  start.set(name, true)
  graph.settle()
  const get = (): T => {
    const entry = holder.get(name)
    if (entry === undefined) throw new Error(`${name} was never computed`)
    return entry.value
  }
  return { name, holder, get, subscribe: (listener) => holder.subscribe(() => listener(get())) }
}
