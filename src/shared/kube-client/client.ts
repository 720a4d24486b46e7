import type { Clock } from '#shared/clock'
import { isRecord } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import { isStatus } from './api-error.ts'
import type { KubeLogin } from './login.ts'
import { collectionPath, objectPath, withQuery } from './paths.ts'
import { Transport } from './transport.ts'
import type {
  ApiDocument,
  ApiObjectId,
  ApiResource,
  ApplyOptions,
  KubeAccess,
  KubeClient,
  ListOptions,
  ListPage,
  PageOptions,
  PatchOptions,
  WatchOptions,
} from './types.ts'
import { followWatch } from './watch-stream.ts'

export interface KubeClientSettings {
  readonly clock: Clock
  /** Longest a call may take; of a watch, until it begins. */
  readonly timeoutMs?: number
}

export const DEFAULT_TIMEOUT_MS = 30_000
const PAGE_LIMIT = 500
/** Pages of one list; a server that never says "the last one" shall not fill our memory. */
const MAX_PAGES = 2_000

const JSON_TYPE = 'application/json'
const MERGE_TYPE = 'application/merge-patch+json'
const APPLY_TYPE = 'application/apply-patch+yaml'

/** @throws MeshError `CONFIG_INVALID` when there is no usable kubeconfig; whether the server is there shows later */
export async function openKubeClient(access: KubeAccess, settings: KubeClientSettings): Promise<KubeClient> {
  // The client library costs start-up time and memory, which a program whose objects come from a folder does without.
  const { openLogin } = await import('./kube-config.ts')
  return new ApiClient(openLogin(access), settings)
}

/** The client over any way to log in. */
export class ApiClient implements KubeClient {
  readonly server: string
  readonly #clock: Clock
  readonly #transport: Transport

  constructor(login: KubeLogin, { clock, timeoutMs = DEFAULT_TIMEOUT_MS }: KubeClientSettings) {
    this.server = login.server.origin
    this.#clock = clock
    this.#transport = new Transport(login, { clock, timeoutMs })
  }

  async get(resource: ApiResource, id: ApiObjectId): Promise<ApiDocument | undefined> {
    try {
      return object(await this.#transport.json({ method: 'GET', path: objectPath(resource, id) }))
    } catch (error) {
      if (isStatus(error, 404)) return undefined
      throw error
    }
  }

  async list(resource: ApiResource, options: ListOptions = {}): Promise<readonly ApiDocument[]> {
    const found: ApiDocument[] = []
    let continueToken = ''
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const page = await this.listPage(resource, options, { limit: PAGE_LIMIT, continueToken })
      for (const item of page.items) found.push(object(item))
      if (page.continueToken === '') return found
      continueToken = page.continueToken
    }
    throw nonsense(`${collectionPath(resource, options.namespace ?? '')} has no last page`)
  }

  async create(resource: ApiResource, namespace: string, document: ApiDocument): Promise<ApiDocument> {
    const value = { apiVersion: resource.apiVersion, kind: resource.kind, ...document }
    const path = withQuery(collectionPath(resource, namespace), { fieldValidation: 'Strict' })
    return object(await this.#transport.json({ method: 'POST', path, body: { contentType: JSON_TYPE, value } }))
  }

  async mergePatch(
    resource: ApiResource,
    id: ApiObjectId,
    patch: ApiDocument,
    { subresource, fieldManager }: PatchOptions = {},
  ): Promise<ApiDocument> {
    const path = withQuery(objectPath(resource, id, subresource), { fieldManager, fieldValidation: 'Strict' })
    const body = { contentType: MERGE_TYPE, value: patch }
    return object(await this.#transport.json({ method: 'PATCH', path, body }))
  }

  async apply(resource: ApiResource, document: ApiDocument, options: ApplyOptions): Promise<ApiDocument> {
    const { fieldManager, force } = options
    const path = withQuery(objectPath(resource, idOf(document)), { fieldManager, force, fieldValidation: 'Strict' })
    const value = { apiVersion: resource.apiVersion, kind: resource.kind, ...document }
    return object(await this.#transport.json({ method: 'PATCH', path, body: { contentType: APPLY_TYPE, value } }))
  }

  async delete(resource: ApiResource, id: ApiObjectId): Promise<boolean> {
    try {
      await this.#transport.json({ method: 'DELETE', path: objectPath(resource, id) })
      return true
    } catch (error) {
      if (isStatus(error, 404)) return false
      throw error
    }
  }

  async listPage(resource: ApiResource, options: ListOptions, page: PageOptions): Promise<ListPage> {
    const { fieldSelector, labelSelector, namespace = '' } = options
    const path = withQuery(collectionPath(resource, namespace), {
      fieldSelector,
      labelSelector,
      limit: page.limit,
      continue: page.continueToken,
    })
    const list = object(await this.#transport.json({ method: 'GET', path, signal: page.signal }))
    const metadata = isRecord(list.metadata) ? list.metadata : {}
    const items = list.items ?? []
    if (!Array.isArray(items) || typeof metadata.resourceVersion !== 'string')
      throw nonsense(`${collectionPath(resource, namespace)} was not answered with a list`)
    return {
      items,
      resourceVersion: metadata.resourceVersion,
      continueToken: typeof metadata.continue === 'string' ? metadata.continue : '',
    }
  }

  async watch(resource: ApiResource, options: ListOptions, watch: WatchOptions): Promise<void> {
    const { fieldSelector, labelSelector, namespace = '' } = options
    const path = withQuery(collectionPath(resource, namespace), {
      watch: true,
      allowWatchBookmarks: true,
      fieldSelector,
      labelSelector,
      resourceVersion: watch.resourceVersion,
      timeoutSeconds: watch.timeoutSeconds,
    })
    try {
      const body = await this.#transport.stream({
        method: 'GET',
        path,
        signal: watch.signal,
        ...(watch.accept === undefined ? {} : { accept: watch.accept }),
      })
      watch.onOpen()
      await followWatch(body, watch, this.#clock)
    } catch (error) {
      if (error instanceof MeshError) throw error
      throw nonsense(`the watch of ${collectionPath(resource, namespace)} broke off: ${reasonOf(error)}`, error)
    }
  }

  close(): Promise<void> {
    return this.#transport.close()
  }
}

function object(value: unknown): ApiDocument {
  if (!isRecord(value)) throw nonsense('the API server answered with something that is no object')
  return value
}

function idOf(document: ApiDocument): ApiObjectId {
  const { name, namespace } = isRecord(document.metadata) ? document.metadata : {}
  return { name: String(name), namespace: typeof namespace === 'string' ? namespace : '' }
}

function nonsense(message: string, cause?: unknown): MeshError {
  return new MeshError('KUBE_API_UNREACHABLE', message, { cause })
}
