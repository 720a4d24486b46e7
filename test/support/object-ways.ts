import fc from 'fast-check'
import { type KubeObject, type ObjectTable, objectKey } from '#shared/k8s'
import type { Graph } from '../../src/istiod-lite/collections/index.ts'
import { objectsOf } from './object-texts.ts'

/** A way to a state: changes on the way, when they settle, and in which order the last ones come. */
export interface Way {
  readonly detours: readonly (readonly [text: string, action: 'put' | 'delete' | 'put and settle'])[]
  readonly order: Iterator<number>
  readonly settles: Iterator<boolean>
}

/** @param texts YAML of objects that come and go on the way */
export function waysOf(texts: fc.Arbitrary<string>): fc.Arbitrary<Way> {
  return fc.record({
    detours: fc.array(fc.tuple(texts, fc.constantFrom('put', 'delete', 'put and settle'))),
    order: fc.infiniteStream(fc.nat()),
    settles: fc.infiniteStream(fc.boolean()),
  })
}

/** Brings what is derived from this table to exactly these objects, by that way. */
export function arrive(
  { table, graph }: { readonly table: ObjectTable; readonly graph: Graph },
  objects: readonly KubeObject[],
  way: Way,
): void {
  const seen = new Map<string, KubeObject>()
  for (const [text, action] of way.detours) {
    for (const object of objectsOf([text])) {
      seen.set(`${object.kind} ${objectKey(object)}`, object)
      if (action === 'delete') table.delete(object.kind, objectKey(object))
      else table.put(object)
    }
    if (action === 'put and settle') graph.settle()
  }
  const wanted = new Map(objects.map((object) => [`${object.kind} ${objectKey(object)}`, object]))
  const last = [...new Map([...seen, ...wanted])].map(([key, object]) => ({ key, object, place: next(way.order) }))
  for (const { key, object } of last.sort((a, b) => a.place - b.place)) {
    if (wanted.has(key)) table.put(object)
    else table.delete(object.kind, objectKey(object))
    if (next(way.settles)) graph.settle()
  }
  graph.settle()
}

const next = <T>(stream: Iterator<T>): T => stream.next().value as T // it has no end
