import type { Closer } from '#shared/lifecycle'

/** One write is one revision; revisions start at 1 and never repeat, also not after a restart. */
export type Revision = number

/** Where an object lives. */
export interface ObjectKey {
  /** `group/plural`, e.g. `/pods` or `apps/deployments`. */
  readonly resource: string
  /** Empty for what has no namespace. */
  readonly namespace: string
  readonly name: string
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** One entry of `metadata.managedFields`; `fieldsV1` is a set of fields as server-side apply writes it. */
export interface ManagedFieldsEntry {
  readonly manager: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly time?: string
  readonly fieldsType: 'FieldsV1'
  readonly fieldsV1: Readonly<Record<string, unknown>>
  readonly subresource?: string
}

/** `metadata` as it goes over the wire; times are RFC 3339 with whole seconds. */
export interface ObjectMeta {
  readonly name: string
  readonly generateName?: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
  readonly managedFields?: readonly ManagedFieldsEntry[]
}

/** A Kubernetes object as plain JSON. Nobody changes one in place: a changed object is a new one. */
export interface ApiObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}

/** An object as the store holds it; its `metadata.resourceVersion` is `String(revision)`. */
export interface StoredObject {
  readonly key: ObjectKey
  /** The write that made it what it is. */
  readonly revision: Revision
  readonly object: ApiObject
}

/**
 * What became of a write. Memory holds it at once; `durable` resolves when it would survive the end of the process (and,
 * with `sync: 'always'`, of the machine), and rejects with MeshError `STORE_FAILED` when it can no longer be kept.
 * Nobody may be told of a write before that.
 */
export type WriteResult =
  | { readonly kind: 'written'; readonly stored: StoredObject; readonly durable: Promise<void> }
  /** `create` of what is there. */
  | { readonly kind: 'exists'; readonly stored: StoredObject }
  /** `update` or `delete` of what is not there. */
  | { readonly kind: 'missing' }
  /** Another write came between: `stored` is what is there now. */
  | { readonly kind: 'conflict'; readonly stored: StoredObject }

export interface ListQuery {
  readonly resource: string
  /** Undefined: all namespaces. */
  readonly namespace?: string | undefined
  /** As of this revision instead of now; for the second and later pages of one list. */
  readonly at?: Revision | undefined
  /** Goes on behind this key. */
  readonly after?: { readonly namespace: string; readonly name: string } | undefined
  /** At most so many; undefined: all. */
  readonly limit?: number | undefined
}

/** Sorted by namespace and name; all of one revision. `expired`: the state as of `at` is no longer known. */
export type ListResult =
  | {
      readonly kind: 'listed'
      readonly revision: Revision
      readonly items: readonly StoredObject[]
      /** How many follow behind the last item. */
      readonly remaining: number
    }
  | { readonly kind: 'expired' }

/** One change of one object. `stored` of a `deleted` one is its last state under the revision of the deletion. */
export type StoreEvent =
  | { readonly kind: 'created'; readonly stored: StoredObject; readonly previous: undefined }
  | { readonly kind: 'updated'; readonly stored: StoredObject; readonly previous: StoredObject }
  | { readonly kind: 'deleted'; readonly stored: StoredObject; readonly previous: StoredObject }

export interface WatchQuery {
  /** Undefined: every resource. */
  readonly resource: string | undefined
  readonly namespace?: string | undefined
  /** Events behind this revision are delivered. */
  readonly from: Revision
}

/** What was wrong with the files when the store opened; none of it is lost: the files named stay in the folder. */
export type StoreDamage =
  /** The last, unacknowledged write was cut off by a crash. */
  | { readonly kind: 'torn-tail'; readonly file: string; readonly lostBytes: number }
  /** A record in the middle does not read; everything from it on was set aside under `keptAs`. */
  | {
      readonly kind: 'corrupt'
      readonly file: string
      readonly offset: number
      readonly problem: string
      readonly keptAs: string
    }

/**
 * All objects of the machine. Reads and writes are synchronous and in memory, so a read-decide-write without an await
 * between is a transaction; keeping is asynchronous.
 */
export interface Store extends Closer {
  /** Of the latest write. */
  readonly revision: Revision
  readonly damage: readonly StoreDamage[]
  /** False once a write could not be kept, or the store is closed: all later ones are refused. */
  readonly isWritable: boolean
  get(key: ObjectKey): StoredObject | undefined
  list(query: ListQuery): ListResult
  create(key: ObjectKey, object: ApiObject): WriteResult
  /** @param expected the revision that the object was read at; undefined: whatever is there */
  update(key: ObjectKey, object: ApiObject, expected?: Revision): WriteResult
  delete(key: ObjectKey, expected?: Revision): WriteResult
  /**
   * Events come in the order of their revisions, each once, and only when durable: what a watcher saw never unhappens.
   * Those of the past come before this returns. The listener must not throw.
   *
   * @returns 'expired' when events behind `from` are no longer known, or `from` is in the future
   */
  watch(query: WatchQuery, listener: (event: StoreEvent) => void): StoreWatch | 'expired'
  /** Resolves when everything written until now is durable. */
  settled(): Promise<void>
}

export interface StoreWatch {
  /** No event comes after this. */
  stop(): void
}
