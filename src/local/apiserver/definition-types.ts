import type { ApiObject } from '../store/index.ts'
import type { ObjectAccess, RequestContext } from './request-types.ts'
import type { Schema } from './schema/types.ts'

/** What users may do to a resource; also the verbs that RBAC knows. */
export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch'

/** One thing that is wrong with an object; becomes one cause of a 422 Status. */
export interface FieldProblem {
  /** As Kubernetes writes it: `spec.containers[0].image`, `metadata.labels`; empty for the whole object. */
  readonly field: string
  readonly reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueDuplicate'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
    | 'FieldValueNotFound'
    | 'InternalError'
  /** The sentence behind the field: `Invalid value: "x": must be no more than 63 characters`. */
  readonly problem: string
}

/** A column of `kubectl get`, besides the name. */
export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format?: string
  /** 0: always; above: only with `-o wide`. */
  readonly priority: number
  readonly description: string
  /**
   * The cell; null prints as `<none>` (`<unknown>` for a date). A `date` of a CRD's column is the time itself, as text.
   *
   * @param nowMs for ages
   */
  readonly cell: (object: ApiObject, nowMs: number) => string | number | boolean | null
}

/** Dotted paths of the scale subresource, e.g. `.spec.replicas`. */
export interface ScalePaths {
  readonly specReplicasPath: string
  readonly statusReplicasPath: string
  readonly labelSelectorPath?: string
}

/** What can be asked under an object's own path. */
export type Subresource =
  /** `status`: writes change only `status` and metadata is the main path's business. */
  | { readonly kind: 'status' }
  | { readonly kind: 'scale'; readonly paths: ScalePaths }
  /** A POST that answers with an object (token, eviction, binding), or PUT (finalize, approval). */
  | {
      readonly kind: 'action'
      readonly method: 'POST' | 'PUT'
      /** Of the body, for discovery. */
      readonly accepts: { readonly group: string; readonly version: string; readonly kind: string }
      readonly run: (
        target: ApiObject,
        body: ApiObject,
        context: RequestContext,
        access: ObjectAccess,
      ) => Promise<ApiObject>
    }
  /** exec, attach, portforward, log, proxy: served by the StreamHandler. */
  | { readonly kind: 'stream'; readonly verbs: readonly Verb[] }

export interface VersionDefinition {
  /** `v1`, `v1beta1`… */
  readonly name: string
  readonly isServed: boolean
  readonly schema: Schema
  readonly columns: readonly Column[]
  /** Sent as a Warning header with each answer. */
  readonly deprecationWarning?: string | undefined
}

/**
 * All that the server knows of one resource. Built-in ones are values in `builtin/`; those of CustomResourceDefinitions
 * are made by `crd/` and come and go at run time. The functions are pure.
 */
export interface ResourceDefinition {
  /** Empty for the core group. */
  readonly group: string
  readonly kind: string
  readonly listKind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly isNamespaced: boolean
  /** `builtin`: takes strategic merge patches. */
  readonly origin: 'builtin' | 'custom'
  /** Preferred first; at least one. */
  readonly versions: readonly VersionDefinition[]
  /** The version in which objects are stored; others differ in `apiVersion` alone (conversion strategy None). */
  readonly storageVersion: string
  readonly verbs: readonly Verb[]
  readonly subresources: ReadonlyMap<string, Subresource>
  /** Field selectors besides metadata.name and metadata.namespace: path → value ('' when missing). */
  readonly selectableFields: ReadonlyMap<string, (object: ApiObject) => string>
  /** Whether `metadata.generation` counts; the fields besides metadata and status that move it are all the others. */
  readonly hasGeneration: boolean
  /** How names must look (RFC 1123 subdomain or label, RFC 1035 label for Services); default `subdomain`. */
  readonly nameRule?: 'subdomain' | 'label' | 'service' | 'path-segment'
  /** Without fields that the schema does not know. */
  prune(object: ApiObject, version: VersionDefinition): ApiObject
  defaulted(object: ApiObject, version: VersionDefinition): ApiObject
  /** Everything wrong with a new object, or with the change from `old`. Metadata is checked by the server itself. */
  validate(object: ApiObject, old: ApiObject | undefined, version: VersionDefinition): readonly FieldProblem[]
  /**
   * What the server itself fills in after defaults and before validation (a Namespace's finalizer and phase, a
   * Service's old clusterIP, a CRD's conditions).
   *
   * @throws ApiError
   */
  prepare?(object: ApiObject, old: ApiObject | undefined, context: RequestContext, access: ObjectAccess): ApiObject
  /** What deleting means beyond removing; undefined: an object goes at once when it has no finalizers. */
  readonly deletion?: DeletionRules
  /** Runs right after each change of an object in memory, before its answer (a CRD makes its resource known). */
  written?(change: WrittenChange, access: ObjectAccess): void
}

export interface DeletionRules {
  /** Why it must not be deleted at all; undefined: it may. */
  refusal?(object: ApiObject): string | undefined
  /** How long the object stays with its deletionTimestamp; 0: it goes at once. */
  graceSeconds(object: ApiObject, asked: number | undefined): number
  /** What changes besides the deletionTimestamp (a Namespace's phase). */
  begun?(object: ApiObject): ApiObject
  /** Whether something besides finalizers keeps the object (a Namespace's spec.finalizers). */
  isHeld?(object: ApiObject): boolean
}

export type WrittenChange =
  | { readonly kind: 'created'; readonly object: ApiObject; readonly old: undefined }
  | { readonly kind: 'updated'; readonly object: ApiObject; readonly old: ApiObject }
  | { readonly kind: 'deleted'; readonly object: ApiObject; readonly old: ApiObject }

/**
 * A kind that is asked and never kept (TokenReview, SubjectAccessReview…): POST answers with the object and its status.
 */
export interface ReviewDefinition {
  readonly group: string
  readonly versions: readonly string[]
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly isNamespaced: boolean
  readonly schema: Schema
  review(body: ApiObject, context: RequestContext): Promise<ApiObject>
}

/** The resources that the server serves now. */
export interface ResourceRegistry {
  /** Grows with every change; part of the caching hashes of discovery and OpenAPI. */
  readonly generation: number
  /** Adds it, or puts it in the place of the one of the same group and plural. */
  put(definition: ResourceDefinition): void
  /** Its watches end, so that informers look again. */
  remove(group: string, plural: string): void
  putReview(definition: ReviewDefinition): void
  /** By group and plural: what a URL names. */
  find(group: string, plural: string): ResourceDefinition | undefined
  /** By what a manifest names, in any served version. */
  findKind(group: string, kind: string): ResourceDefinition | undefined
  findReview(group: string, plural: string): ReviewDefinition | undefined
  /** Core group first, then in the order of coming. */
  definitions(): readonly ResourceDefinition[]
  reviews(): readonly ReviewDefinition[]
  /** @returns stops listening */
  onChange(listener: (change: RegistryChange) => void): () => void
}

export type RegistryChange =
  | { readonly kind: 'put'; readonly definition: ResourceDefinition }
  | { readonly kind: 'removed'; readonly definition: ResourceDefinition }
