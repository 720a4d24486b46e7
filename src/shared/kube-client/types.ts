import type { Readable } from 'node:stream'
import type { Closer } from '#shared/lifecycle'

/** How the API server is found, and who we are for it. */
export type KubeAccess =
  /** Merged as kubectl does: what an earlier file says counts. `context` undefined: the current one. */
  | { readonly kind: 'kubeconfig'; readonly files: readonly string[]; readonly context?: string }
  /** As a pod, by its service account. */
  | { readonly kind: 'in-cluster'; readonly host: string; readonly port: number }

/** A kind under one version, as the paths of the API name it. A `KindReader` has everything for it: see `resourceOf`. */
export interface ApiResource {
  /** `v1`, or `group/version`. */
  readonly apiVersion: string
  readonly kind: string
  /** Lower case, plural: `pods`. */
  readonly resource: string
  readonly namespaced: boolean
}

/** Any JSON object of the API. */
export type ApiDocument = Readonly<Record<string, unknown>>

export interface ApiObjectId {
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly name: string
}

export interface ListOptions {
  /** Undefined or empty: every namespace. */
  readonly namespace?: string
  readonly fieldSelector?: string
  readonly labelSelector?: string
}

export interface PatchOptions {
  /** `status`, `scale`; undefined: the object itself. */
  readonly subresource?: string
  /** Who owns the fields that are written; undefined: the server takes it from the program's name. */
  readonly fieldManager?: string
}

export interface ApplyOptions {
  /** Who owns the fields that are applied. */
  readonly fieldManager: string
  /** Take fields over from other managers instead of failing with a conflict. */
  readonly force: boolean
}

/**
 * The Kubernetes API, asked. Every call ends within `timeoutMs` of the client.
 *
 * All reject with `KubeApiError` when the server says no, and with MeshError `KUBE_API_UNREACHABLE` when it does not say
 * anything that makes sense. Nothing is tried again here, but for a request on a kept connection that the server had
 * closed.
 */
export interface KubeClient extends Closer {
  /** The server's URL, for messages. */
  readonly server: string
  /** Undefined when it is not there. */
  get(resource: ApiResource, id: ApiObjectId): Promise<ApiDocument | undefined>
  /** All of them, asked for in pages; not one state when objects change meanwhile for longer than the server remembers. */
  list(resource: ApiResource, options?: ListOptions): Promise<readonly ApiDocument[]>
  create(resource: ApiResource, namespace: string, document: ApiDocument): Promise<ApiDocument>
  /**
   * RFC 7386; `metadata.uid` in it makes it fail with 409 or 422 for another object of that name, and
   * `metadata.resourceVersion` with 409 when the object has changed since.
   */
  mergePatch(resource: ApiResource, id: ApiObjectId, patch: ApiDocument, options?: PatchOptions): Promise<ApiDocument>
  /** Server-side apply: creates, or sets exactly the fields that `document` has. */
  apply(resource: ApiResource, document: ApiDocument, options: ApplyOptions): Promise<ApiDocument>
  /** @returns false when it was not there */
  delete(resource: ApiResource, id: ApiObjectId): Promise<boolean>
  /** One page of a list, and the way to the next. */
  listPage(resource: ApiResource, options: ListOptions, page: PageOptions): Promise<ListPage>
  /**
   * Changes after `resourceVersion`, in order, until the server ends it; rejects when it breaks off, when nothing comes
   * for too long, or when `signal` aborts. What `onEvent` throws ends it, too.
   */
  watch(resource: ApiResource, options: ListOptions, watch: WatchOptions): Promise<void>
}

export interface PageOptions {
  /** Undefined: the server gives everything at once. */
  readonly limit: number | undefined
  /** Of the page before; empty for the first. */
  readonly continueToken: string
  readonly signal?: AbortSignal
}

export interface ListPage {
  readonly items: readonly unknown[]
  /** Of the state that the whole list shows. */
  readonly resourceVersion: string
  /** Empty on the last page. */
  readonly continueToken: string
}

export interface WatchOptions {
  readonly resourceVersion: string
  /** After so long the server shall end the watch. */
  readonly timeoutSeconds: number
  /** The server has taken it; events follow. */
  readonly onOpen: () => void
  readonly onEvent: (event: WatchEvent) => void
  /** Forms of the events' objects, as in the header; JSON as it is when undefined. */
  readonly accept?: string
  readonly signal: AbortSignal
}

export interface WatchEvent {
  /** An `ERROR` never gets here: it rejects the watch. */
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: ApiDocument
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With its query. */
  readonly path: string
  readonly body?: { readonly contentType: string; readonly value: unknown }
  /** Forms of the answer, as in the header; JSON when undefined. */
  readonly accept?: string
  readonly signal?: AbortSignal | undefined
}

/** A `KubeClient`, and whatever else the server has to say. What its methods reject with is the same. */
export interface KubeConnection extends KubeClient {
  /** Of the kubeconfig. */
  readonly context: string
  /** What the kubeconfig's context, or our own pod, is in; empty when none is named. */
  readonly namespace: string
  /** The answer's JSON. */
  json(request: ApiRequest): Promise<unknown>
  /** The body as it comes, which the caller reads to its end or destroys; the time limit ends with the headers. */
  stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<Readable>
  /**
   * A WebSocket of Kubernetes' channel protocols.
   * @param protocols the best first
   */
  channels(path: string, protocols: readonly string[], signal: AbortSignal): Promise<ChannelStream>
}

export interface ChannelMessage {
  readonly channel: number
  readonly payload: Buffer
}

export interface ChannelStream {
  /** Resolves when the connection takes more. */
  send(channel: number, bytes: Uint8Array): Promise<void>
  /** Ends one channel of ours. @returns false when the agreed protocol cannot say that */
  end(channel: number): Promise<boolean>
  /** To be read once; a reader that waits holds the server back. Ends with the stream, rejects when it breaks off. */
  messages(): AsyncGenerator<ChannelMessage>
  close(): void
}
