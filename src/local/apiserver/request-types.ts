import type { ApiObject } from '../store/index.ts'
import type { Verb } from './definition-types.ts'

/** Who asks. `uid` and `extra` come from service-account tokens. */
export interface UserInfo {
  readonly username: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/** What is asked of the authorizer; for paths outside the API `path` is set and the rest is empty. */
export type RequestAttributes =
  | {
      readonly kind: 'resource'
      readonly user: UserInfo
      readonly verb: Verb | 'impersonate' | 'use' | string
      readonly group: string
      readonly version: string
      readonly resource: string
      readonly subresource: string
      readonly namespace: string
      readonly name: string
    }
  | { readonly kind: 'path'; readonly user: UserInfo; readonly verb: string; readonly path: string }

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'
export type PropagationPolicy = 'Background' | 'Foreground' | 'Orphan'

/** The query of a write, read and checked. */
export interface WriteOptions {
  readonly isDryRun: boolean
  /** From `fieldManager`, else the first word of User-Agent. */
  readonly fieldManager: string
  readonly fieldValidation: FieldValidation
  /** Server-side apply only. */
  readonly force: boolean
}

/** One request to one resource, after routing and authentication. */
export interface RequestContext {
  readonly user: UserInfo
  readonly verb: Verb
  readonly group: string
  readonly version: string
  /** Plural. */
  readonly resource: string
  /** Empty: the object itself. */
  readonly subresource: string
  /** Empty: cluster-scoped, or all namespaces. */
  readonly namespace: string
  /** Empty: the collection. */
  readonly name: string
  readonly write: WriteOptions
  /** Adds a line to the answer's Warning headers; at most 4 KiB of them are sent. */
  warn(line: string): void
}

export interface ObjectRef {
  readonly group: string
  /** Plural. */
  readonly resource: string
  readonly namespace: string
  readonly name: string
}

export interface DeleteOptions {
  readonly propagationPolicy?: PropagationPolicy | undefined
  readonly gracePeriodSeconds?: number | undefined
  readonly preconditions?:
    | { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined
  readonly isDryRun?: boolean | undefined
}

export interface Selection {
  readonly group: string
  readonly resource: string
  /** Empty: all namespaces. */
  readonly namespace: string
  /** As in a URL; empty: everything. */
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export type PatchKind = 'json' | 'merge' | 'strategic' | 'apply'

/**
 * The API without HTTP, for what runs inside the server's process: the same defaulting, validation, admission, managed
 * fields and events, no authentication. Everything is in the storage version.
 *
 * @throws ApiError what an HTTP client would get as Status
 */
export interface ObjectAccess {
  get(ref: ObjectRef): ApiObject | undefined
  list(selection: Selection): { readonly items: readonly ApiObject[]; readonly resourceVersion: string }
  create(object: ApiObject, as?: AccessOptions): Promise<ApiObject>
  /** With the object's resourceVersion as precondition when it has one. */
  update(object: ApiObject, as?: AccessOptions & { readonly subresource?: 'status' }): Promise<ApiObject>
  patch(
    ref: ObjectRef,
    kind: PatchKind,
    body: unknown,
    as?: AccessOptions & { readonly subresource?: 'status' },
  ): Promise<ApiObject>
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<void>
  /** What is there now as `ADDED`, then changes; see the store's watch for its promises. */
  watch(selection: Selection, listener: (event: AccessEvent) => void): { stop(): void }
}

export interface AccessOptions {
  /** Default `ambit`. */
  readonly fieldManager?: string
}

export interface AccessEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: ApiObject
}
