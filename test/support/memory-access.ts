import {
  type AccessEvent,
  ApiError,
  type ApiObject,
  type DeleteOptions,
  type ObjectAccess,
  type ObjectRef,
  type Selection,
} from '../../src/local/apiserver/index.ts'
import type { FakeClock } from './fake-clock.ts'

type Write = 'create' | 'update' | 'patch' | 'delete'

/** Plurals of the kinds that the controllers use. */
const PLURALS: Readonly<Record<string, string>> = { Endpoints: 'endpoints', Policy: 'policies' }

/**
 * Objects in memory behind the server's own interface: uids, revisions, generations, generateName, finalizers, deletion
 * with propagation policies, status apart from the rest, and watches that tell of changes a little later. It knows no
 * schemas: it neither fills in defaults nor validates.
 */
export class MemoryAccess implements ObjectAccess {
  readonly #clock: FakeClock
  readonly #objects = new Map<string, ApiObject>()
  readonly #watches = new Set<{ readonly selection: Selection; readonly listener: (event: AccessEvent) => void }>()
  #revision = 0
  /** All writes, for tests that count them. */
  readonly writes: string[] = []
  /** Called before each write; throw to refuse it. */
  refuse: (write: Write, object: ObjectRef) => void = () => {}

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  get(ref: ObjectRef): ApiObject | undefined {
    return this.#objects.get(keyOf(ref))
  }

  list(selection: Selection): { items: readonly ApiObject[]; resourceVersion: string } {
    const items = [...this.#objects.entries()]
      .filter(
        ([key, object]) =>
          key.startsWith(`${selection.group}/${selection.resource}/`) && inNamespace(selection, object),
      )
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
    return { items, resourceVersion: String(this.#revision) }
  }

  async create(object: ApiObject): Promise<ApiObject> {
    const number = ++this.#revision
    const { generateName, ...rest } = object.metadata
    const name = object.metadata.name || `${generateName}${number.toString(36).padStart(5, 'x')}`
    const metadata = { creationTimestamp: this.#now(), generation: 1, ...rest, name, uid: `uid-${number}` }
    const made = structuredClone({ ...object, metadata })
    const ref = refTo(made)
    this.#guard('create', ref)
    if (this.#objects.has(keyOf(ref))) throw new ApiError('AlreadyExists', `${ref.resource} "${name}" already exists`)
    return this.#put('ADDED', made)
  }

  async update(object: ApiObject, as: { readonly subresource?: 'status' } = {}): Promise<ApiObject> {
    const ref = refTo(object)
    this.#guard('update', ref)
    const old = this.#known(ref)
    const { resourceVersion } = object.metadata
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) {
      throw new ApiError('Conflict', `${ref.resource} "${ref.name}" was modified`)
    }
    return this.#replace(
      old,
      as.subresource === 'status' ? { ...old, status: object.status } : { ...object, status: old.status },
    )
  }

  async patch(
    ref: ObjectRef,
    kind: string,
    body: unknown,
    as: { readonly subresource?: 'status' } = {},
  ): Promise<ApiObject> {
    if (kind !== 'merge') throw new TypeError(`the fake knows no ${kind} patches`)
    this.#guard('patch', ref)
    const old = this.#known(ref)
    const patched = merged(old, body) as ApiObject
    if (patched.metadata.resourceVersion !== old.metadata.resourceVersion) {
      throw new ApiError('Conflict', `${ref.resource} "${ref.name}" was modified`)
    }
    return this.#replace(
      old,
      as.subresource === 'status' ? { ...old, status: patched.status } : { ...patched, status: old.status },
    )
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    this.#guard('delete', ref)
    const old = this.#known(ref)
    const { uid } = options.preconditions ?? {}
    if (uid !== undefined && uid !== old.metadata.uid) throw new ApiError('Conflict', 'another object has this name')
    const marker = { Foreground: 'foregroundDeletion', Orphan: 'orphan', Background: undefined }
    const extra = marker[options.propagationPolicy ?? 'Background']
    const finalizers = [...(old.metadata.finalizers ?? []), ...(extra === undefined ? [] : [extra])]
    const isGraceful = ref.resource === 'namespaces'
    if (finalizers.length === 0 && !isGraceful) {
      this.#drop(old)
      return
    }
    const deletionTimestamp = old.metadata.deletionTimestamp ?? this.#now()
    this.#put('MODIFIED', { ...old, metadata: { ...old.metadata, finalizers, deletionTimestamp } })
  }

  watch(selection: Selection, listener: (event: AccessEvent) => void): { stop(): void } {
    const watch = { selection, listener }
    this.#watches.add(watch)
    for (const object of this.list(selection).items) listener({ type: 'ADDED', object })
    return { stop: () => void this.#watches.delete(watch) }
  }

  /** As the tests and the kubelet write: a merge patch of the whole object, status included. */
  async set(ref: ObjectRef, change: object): Promise<ApiObject> {
    return this.#replace(this.#known(ref), merged(this.#known(ref), change) as ApiObject)
  }

  #replace(old: ApiObject, next: ApiObject): ApiObject {
    const isGone =
      next.metadata.deletionTimestamp !== undefined &&
      (next.metadata.finalizers ?? []).length === 0 &&
      (next.kind !== 'Namespace' ||
        ((next.spec as { finalizers?: unknown[] } | undefined)?.finalizers ?? []).length === 0)
    if (isGone) {
      this.#drop(next)
      return next
    }
    const clean = JSON.parse(JSON.stringify(next)) as ApiObject
    if (JSON.stringify(clean) === JSON.stringify(old)) return old
    const hasMoved = JSON.stringify(clean.spec) !== JSON.stringify(old.spec)
    const generation = (old.metadata.generation ?? 1) + (hasMoved ? 1 : 0)
    this.#revision++
    return this.#put('MODIFIED', { ...clean, metadata: { ...clean.metadata, generation } })
  }

  #put(type: 'ADDED' | 'MODIFIED', object: ApiObject): ApiObject {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#revision) } }
    this.#objects.set(keyOf(refTo(stored)), stored)
    this.#tell({ type, object: stored })
    return stored
  }

  #drop(object: ApiObject): void {
    this.#objects.delete(keyOf(refTo(object)))
    this.#revision++
    this.#tell({ type: 'DELETED', object })
  }

  #tell(event: AccessEvent): void {
    const { group, resource } = refTo(event.object)
    queueMicrotask(() => {
      for (const { selection, listener } of this.#watches) {
        const isMeant = selection.group === group && selection.resource === resource
        if (isMeant && inNamespace(selection, event.object)) listener(event)
      }
    })
  }

  #guard(write: Write, ref: ObjectRef): void {
    this.writes.push(`${write} ${ref.resource}/${ref.name}`)
    this.refuse(write, ref)
  }

  #known(ref: ObjectRef): ApiObject {
    const object = this.get(ref)
    if (object === undefined) throw new ApiError('NotFound', `${ref.resource} "${ref.name}" not found`)
    return object
  }

  #now(): string {
    return `${new Date(this.#clock.nowMs()).toISOString().slice(0, 19)}Z`
  }
}

function refTo({ apiVersion, kind, metadata }: ApiObject): ObjectRef {
  const slash = apiVersion.indexOf('/')
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`
  return {
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    resource: plural,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
  }
}

function keyOf({ group, resource, namespace, name }: ObjectRef): string {
  return `${group}/${resource}/${namespace}/${name}`
}

function inNamespace({ namespace }: Selection, { metadata }: ApiObject): boolean {
  return namespace === '' || metadata.namespace === namespace
}

function merged(old: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change
  const result: Record<string, unknown> = { ...(old as Record<string, unknown> | undefined) }
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key]
    else result[key] = merged(result[key], value)
  }
  return result
}
