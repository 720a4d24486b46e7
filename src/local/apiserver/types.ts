import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Clock } from '#shared/clock'
import type { ApiObject, ManagedFieldsEntry } from '../store/index.ts'
import type { FieldProblem, ResourceDefinition, ResourceRegistry, VersionDefinition } from './definition-types.ts'
import type { PatchKind, RequestAttributes, RequestContext, UserInfo } from './request-types.ts'

export type * from '../store/index.ts'
export type * from './definition-types.ts'
export type * from './request-types.ts'
export type * from './schema/types.ts'

/** `kind: Status` as it goes over the wire. */
export interface Status {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  readonly metadata: Readonly<Record<string, never>>
  readonly status: 'Success' | 'Failure'
  readonly message?: string
  readonly reason?: StatusReason
  readonly details?: StatusDetails
  readonly code: number
}

export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Invalid'
  | 'Expired'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'UnsupportedMediaType'
  | 'RequestEntityTooLarge'
  | 'TooManyRequests'
  | 'Timeout'
  | 'ServiceUnavailable'
  | 'InternalError'

export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly StatusCause[]
  readonly retryAfterSeconds?: number
}

export interface StatusCause {
  readonly reason: string
  readonly message: string
  readonly field?: string
}

// ---- patch/ and apply/ ------------------------------------------------------------------------------------------

/**
 * JSON patch (RFC 6902), merge patch (RFC 7386) and strategic merge; written in `patch/`. Pure; `current` is in the
 * version of the request. The result is not yet defaulted, pruned or validated.
 */
export type ApplyPatch = (
  kind: Exclude<PatchKind, 'apply'>,
  current: ApiObject,
  body: unknown,
  definition: ResourceDefinition,
  version: VersionDefinition,
) => PatchOutcome

export type PatchOutcome =
  | { readonly kind: 'patched'; readonly object: ApiObject }
  /** The body is no such patch: 400. */
  | { readonly kind: 'malformed'; readonly problem: string }
  /** It cannot be done to this object (a failed `test`, a path that is not there): 422. */
  | { readonly kind: 'inapplicable'; readonly problem: string }

/** Server-side apply and the upkeep of managed fields; written in `apply/`. Pure. */
export interface FieldManagement {
  /**
   * One server-side apply. `current` undefined: the object is created.
   *
   * @param applied the manifest, decoded and checked to be an object of this kind
   */
  apply(current: ApiObject | undefined, applied: ApiObject, scope: ApplyScope, force: boolean): ApplyOutcome
  /**
   * Managed fields after a create, update or patch by a manager that does not apply: what it changed becomes its own,
   * and leaves other managers. Takes over `metadata.managedFields` that the client itself wrote (kubectl's migration
   * from client-side apply; an empty list resets), refuses what is no such list by leaving the old one.
   */
  track(old: ApiObject | undefined, changed: ApiObject, scope: ApplyScope): readonly ManagedFieldsEntry[]
}

export interface ApplyScope {
  readonly definition: ResourceDefinition
  readonly version: VersionDefinition
  readonly fieldManager: string
  /** Empty, `status` or `scale`. */
  readonly subresource: string
  readonly nowMs: number
}

export type ApplyOutcome =
  /** Object with its new `metadata.managedFields`; before defaulting and validation. */
  | { readonly kind: 'applied'; readonly object: ApiObject }
  /** 409; causes have reason FieldManagerConflict, message `conflict with "m" using v1` and the field `.spec.x`. */
  | { readonly kind: 'conflict'; readonly causes: readonly StatusCause[] }
  | { readonly kind: 'malformed'; readonly problem: string }

// ---- protobuf/ ---------------------------------------------------------------------------------------------------

/**
 * `application/vnd.kubernetes.protobuf` (4 bytes `k8s\0`, then runtime.Unknown) into JSON; written in `protobuf/`.
 * `unknown-kind` is answered with 415.
 */
export type DecodeProtobuf = (
  body: Uint8Array,
) =>
  | { readonly kind: 'decoded'; readonly object: Readonly<Record<string, unknown>> }
  | { readonly kind: 'unknown-kind'; readonly apiVersion: string; readonly kindName: string }
  | { readonly kind: 'malformed'; readonly problem: string }

// ---- openapi/ ----------------------------------------------------------------------------------------------------

/** `/openapi/v3`, `/openapi/v3/…` and `/openapi/v2`; written in `openapi/`. Documents may be cached by generation. */
export interface OpenApi {
  /** @returns undefined when there is no such document: 404 */
  answer(request: {
    readonly path: string
    readonly query: URLSearchParams
    readonly accept: string
  }): { readonly contentType: string; readonly body: Uint8Array; readonly etag: string } | undefined
}
export type CreateOpenApi = (registry: ResourceRegistry) => OpenApi

// ---- crd/ --------------------------------------------------------------------------------------------------------

/**
 * CustomResourceDefinition as a resource whose `prepare` sets names and conditions (NamesAccepted, Established), whose
 * `validate` refuses what is no structural schema, and whose `written` puts definitions into the registry, or removes
 * them with all their objects; written in `crd/`. At start the server calls `written` once for each stored CRD.
 */
export type CreateCrdDefinition = (registry: ResourceRegistry, clock: Clock) => ResourceDefinition

// ---- streams/ ----------------------------------------------------------------------------------------------------

/** Where streams end: the node runtime gives it. All rejections are shown to the user as Status or error frame. */
export interface PodBackend {
  /** @throws ApiError BadRequest for an unknown container, or one that does not run */
  exec(pod: ApiObject, request: ExecRequest): Promise<ExecSession>
  attach(pod: ApiObject, request: Omit<ExecRequest, 'command'>): Promise<ExecSession>
  /** Lines as they were written, without timestamps added when `timestamps` is false. Ends by itself unless `follow`. */
  logs(pod: ApiObject, request: LogRequest, signal: AbortSignal): Promise<Readable>
  /** A connection to the pod's own loopback. */
  portForward(pod: ApiObject, port: number): Promise<Duplex>
}

export interface ExecRequest {
  /** Empty: the pod's default container. */
  readonly container: string
  readonly command: readonly string[]
  readonly hasStdin: boolean
  readonly hasTty: boolean
}

export interface ExecSession {
  /** Present when asked for; ending it ends the process's input. */
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  /** Undefined with a terminal: it is in stdout. */
  readonly stderr: Readable | undefined
  resize(columns: number, rows: number): void
  /** Code 0…255; signals are 128 + number. Resolves when both outputs are at their end. */
  readonly exitCode: Promise<number>
  /** The client went away. */
  kill(): void
}

export interface LogRequest {
  readonly container: string
  readonly follow: boolean
  readonly previous: boolean
  readonly timestamps: boolean
  readonly tailLines: number | undefined
  readonly limitBytes: number | undefined
  /** Lines from then on; epoch ms. */
  readonly sinceMs: number | undefined
}

/**
 * exec, attach, portforward (WebSocket v5…v1 and SPDY/3.1, also SPDY inside WebSocket) and log; written in `streams/`.
 * The server has routed, authenticated and authorized, and found the pod.
 */
export interface StreamHandler {
  /** A request with `Upgrade`. Owns the socket from here, also its errors. */
  upgrade(stream: {
    readonly request: IncomingMessage
    readonly socket: Duplex
    readonly head: Buffer
    readonly query: URLSearchParams
    readonly context: RequestContext
    readonly pod: ApiObject
  }): void
  /** A plain GET (log). @throws ApiError before anything was written */
  serve(stream: {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly query: URLSearchParams
    readonly context: RequestContext
    readonly pod: ApiObject
  }): Promise<void>
}

// ---- gates -------------------------------------------------------------------------------------------------------

/** Facts about a request that say who sent it. */
export interface Credentials {
  /** Verified against the server's own client CA by TLS. */
  readonly clientCertificate: { readonly commonName: string; readonly organizations: readonly string[] } | undefined
  /** From `Authorization: Bearer`, or the WebSocket subprotocol that browsers use. */
  readonly bearerToken: string | undefined
  /** Whom a token must be for; undefined: this API. */
  readonly audiences?: readonly string[]
}

export interface Authenticator {
  /** @returns undefined: anonymous; a wrong credential is refused with 401, never taken for none */
  authenticate(credentials: Credentials): Promise<AuthenticationOutcome>
}

export type AuthenticationOutcome =
  | { readonly kind: 'user'; readonly user: UserInfo }
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'refused'; readonly problem: string }

export interface Authorizer {
  authorize(attributes: RequestAttributes): AuthorizationOutcome
}

export type AuthorizationOutcome =
  | { readonly kind: 'allowed'; readonly reason: string }
  | { readonly kind: 'denied'; readonly reason: string }

/** Somebody who may change or refuse a write: istiod-lite, later webhooks. In order; mutate before validate. */
export interface AdmissionHook {
  readonly name: string
  /** Default 10 s. */
  readonly timeoutMs?: number
  handles(request: AdmissionRequest): boolean
  /** @returns the object as it shall be, or why not. Nothing has been written yet; may take time, within its bound. */
  admit(request: AdmissionRequest): Promise<AdmissionOutcome>
}

export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly stage: 'mutate' | 'validate'
  readonly definition: ResourceDefinition
  /** For DELETE the object that goes. */
  readonly object: ApiObject
  readonly old: ApiObject | undefined
  readonly context: RequestContext
}

export type AdmissionOutcome =
  | { readonly kind: 'admitted'; readonly object: ApiObject; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string; readonly problems: readonly FieldProblem[] }

/** What the other folders of this room give to the server. */
export interface ServerParts {
  readonly applyPatch: ApplyPatch
  readonly fieldManagement: FieldManagement
  readonly decodeProtobuf: DecodeProtobuf
  readonly createOpenApi: CreateOpenApi
  readonly createCrdDefinition: CreateCrdDefinition
  readonly createStreams: (backend: PodBackend, clock: Clock) => StreamHandler
}
