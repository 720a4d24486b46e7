import { isDeepStrictEqual } from 'node:util'
import type { KubeObject, ObjectChange, ObjectOf } from './types.ts'

type Listener = (change: ObjectChange) => void

/** `namespace/name`, or the name alone where there is no namespace; unique within a kind. */
export function objectKey(object: Pick<KubeObject, 'metadata'>): string {
  const { namespace, name } = object.metadata
  return namespace === '' ? name : `${namespace}/${name}`
}

/** The objects of a source by kind and key; tells subscribers exactly what a new state changes. */
export class ObjectTable {
  readonly #objects = new Map<string, Map<string, KubeObject>>()
  readonly #listeners = new Map<string, Set<Listener>>()

  subscribe<K extends string>(kind: K, listener: (change: ObjectChange<ObjectOf<K>>) => void): () => void {
    // The table holds objects under their own kind, so a kind's listeners get that kind's record.
    const typed = listener as Listener
    const listeners = this.#listeners.get(kind) ?? new Set()
    this.#listeners.set(kind, listeners)
    for (const object of this.#objects.get(kind)?.values() ?? []) typed({ type: 'added', object })
    listeners.add(typed)
    return () => void listeners.delete(typed)
  }

  /** Makes the table hold exactly these objects, of which no two have one kind and key; equal ones tell nothing. */
  replaceAll(objects: Iterable<KubeObject>): void {
    const next = new Map<string, Map<string, KubeObject>>()
    for (const object of objects) {
      const ofKind = next.get(object.kind) ?? new Map<string, KubeObject>()
      next.set(object.kind, ofKind)
      ofKind.set(objectKey(object), object)
    }
    for (const kind of new Set([...this.#objects.keys(), ...next.keys()])) {
      this.#replaceKind(kind, next.get(kind) ?? new Map())
    }
  }

  /** As `replaceAll`, of one kind only. */
  replaceKind(kind: string, objects: Iterable<KubeObject>): void {
    const next = new Map<string, KubeObject>()
    for (const object of objects) next.set(objectKey(object), object)
    this.#replaceKind(kind, next)
  }

  /** Adds or replaces one object; an equal one tells nothing. */
  put(object: KubeObject): void {
    this.#put(this.#ofKind(object.kind), objectKey(object), object)
  }

  delete(kind: string, key: string): void {
    const current = this.#ofKind(kind)
    const object = current.get(key)
    if (object !== undefined) this.#delete(current, key, object)
  }

  get(kind: string, key: string): KubeObject | undefined {
    return this.#objects.get(kind)?.get(key)
  }

  countOf(kind: string): number {
    return this.#objects.get(kind)?.size ?? 0
  }

  #ofKind(kind: string): Map<string, KubeObject> {
    const current = this.#objects.get(kind) ?? new Map<string, KubeObject>()
    this.#objects.set(kind, current)
    return current
  }

  #replaceKind(kind: string, next: ReadonlyMap<string, KubeObject>): void {
    const current = this.#ofKind(kind)
    for (const [key, object] of [...current]) if (!next.has(key)) this.#delete(current, key, object)
    for (const [key, object] of next) this.#put(current, key, object)
  }

  #put(current: Map<string, KubeObject>, key: string, object: KubeObject): void {
    const old = current.get(key)
    if (old !== undefined && isDeepStrictEqual(old, object)) return
    // Another uid is another object under the old one's name.
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) this.#delete(current, key, old)
    const type = current.has(key) ? 'updated' : 'added'
    current.set(key, object)
    this.#tell({ type, object })
  }

  #delete(current: Map<string, KubeObject>, key: string, object: KubeObject): void {
    current.delete(key)
    this.#tell({ type: 'deleted', object })
  }

  #tell(change: ObjectChange): void {
    for (const listener of [...(this.#listeners.get(change.object.kind) ?? [])]) listener(change)
  }
}
