import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubeLogin } from '../../src/shared/kube-client/login.ts'

type Json = Record<string, unknown>

interface Stored extends Json {
  metadata: { name: string; namespace?: string; uid: string; resourceVersion: string } & Json
}

interface HistoryEvent {
  readonly revision: number
  readonly resource: string
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: Stored
}

interface OpenWatch {
  readonly resource: string
  readonly response: ServerResponse
}

/** What the next request to a resource, or to any, gets in place of its answer. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  | { readonly kind: 'drop' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'garbage' }

/** A Kubernetes API server as small as lists and watches allow, which does on demand everything that goes wrong. */
export class FakeApi {
  readonly requests: string[] = []
  readonly #server: Server
  readonly #objects = new Map<string, Map<string, Stored>>()
  readonly #served = new Set<string>(['namespaces'])
  #history: HistoryEvent[] = []
  #revision: number
  /** Revisions up to here are forgotten. */
  #forgotten: number
  #uids = 0
  readonly #watches = new Set<OpenWatch>()
  readonly #pages = new Map<string, { readonly rest: readonly Stored[]; readonly revision: number }>()
  readonly #faults: Fault[] = []
  readonly #refused = new Map<string, number>()
  /** Items of a page at most, whatever the client asks for. */
  pageLimit = 500

  static async start(resources: readonly string[], revision = 1000): Promise<FakeApi> {
    const api = new FakeApi(resources, revision)
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve))
    return api
  }

  private constructor(resources: readonly string[], revision: number) {
    this.#revision = revision
    this.#forgotten = revision
    for (const resource of resources) this.#served.add(resource)
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.put('namespaces', { name: 'kube-system' })
  }

  get login(): KubeLogin {
    const { port } = this.#server.address() as AddressInfo
    return { server: new URL(`http://127.0.0.1:${port}`), isProxied: false, options: async () => ({}) }
  }

  get revision(): number {
    return this.#revision
  }

  get watchCount(): number {
    return this.#watches.size
  }

  listOf(resource: string): readonly Stored[] {
    return [...(this.#objects.get(resource)?.values() ?? [])]
  }

  /** Creates, or changes; the uid stays while the object does. */
  put(
    resource: string,
    metadata: { readonly name: string; readonly namespace?: string } & Json,
    rest: Json = {},
  ): void {
    const held = this.#ofResource(resource)
    const key = `${metadata.namespace ?? ''}/${metadata.name}`
    const old = held.get(key)
    const revision = ++this.#revision
    const uid = old?.metadata.uid ?? `uid-${++this.#uids}`
    const object: Stored = { ...rest, metadata: { ...metadata, uid, resourceVersion: String(revision) } }
    held.set(key, object)
    this.#tell({ revision, resource, type: old === undefined ? 'ADDED' : 'MODIFIED', object })
  }

  remove(resource: string, name: string, namespace = ''): void {
    const held = this.#ofResource(resource)
    const old = held.get(`${namespace}/${name}`)
    if (old === undefined) return
    held.delete(`${namespace}/${name}`)
    const revision = ++this.#revision
    const object = { ...old, metadata: { ...old.metadata, resourceVersion: String(revision) } }
    this.#tell({ revision, resource, type: 'DELETED', object })
  }

  /** Older revisions answer 410 from now on; pages that were begun, too. */
  forget(): void {
    this.#forgotten = this.#revision
    this.#history = []
    this.#pages.clear()
  }

  /** Running watches get `410 Expired` as an event, and end. */
  expireWatches(): void {
    this.forget()
    const object = { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410, message: 'too old' }
    for (const watch of this.#watches) watch.response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
    this.#watches.clear()
  }

  dropConnections(): void {
    this.#server.closeAllConnections()
    this.#watches.clear()
  }

  endWatches(): void {
    for (const watch of this.#watches) watch.response.end()
    this.#watches.clear()
  }

  /** Half of an event, and then the connection is gone. */
  tearWatches(): void {
    for (const { response } of this.#watches) response.write('{"type":"ADDED","object":{"metadata":{"na')
    setImmediate(() => this.dropConnections())
  }

  writeToWatches(text: string): void {
    for (const { response } of this.#watches) response.write(text)
  }

  bookmark(): void {
    for (const { response } of this.#watches) response.write(line('BOOKMARK', this.#bookmarkOf(this.#revision)))
  }

  /** Another cluster answers at this address: nothing of the old one is there, and it has counted to `revision`. */
  becomeAnother(revision: number): void {
    this.#objects.clear()
    this.forget()
    this.#revision = revision
    // It remembers all of its own past, so a watch from a revision of the other one's is not refused.
    this.#forgotten = 0
    this.put('namespaces', { name: 'kube-system' })
    this.dropConnections()
  }

  serve(resource: string): void {
    this.#served.add(resource)
  }

  /** As when a CustomResourceDefinition is deleted. */
  unserve(resource: string): void {
    for (const { metadata } of this.listOf(resource)) this.remove(resource, metadata.name, metadata.namespace)
    this.#served.delete(resource)
    this.endWatches()
  }

  /** Every request to a resource is answered so; undefined: no longer. */
  refuse(resource: string, code: number | undefined): void {
    if (code === undefined) this.#refused.delete(resource)
    else this.#refused.set(resource, code)
  }

  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  clearFaults(): void {
    this.#faults.length = 0
  }

  async close(): Promise<void> {
    this.dropConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {})
    response.on('error', () => {})
    const url = new URL(request.url ?? '/', 'http://api')
    this.requests.push(`${url.pathname}${url.search}`)
    const fault = this.#faults.shift()
    if (fault !== undefined) return this.#break(fault, response)
    const resource = url.pathname.split('/').at(-1) ?? ''
    const refusal = this.#refused.get(resource)
    if (refusal !== undefined) return status(response, refusal, 'Refused')
    if (!this.#served.has(resource)) return status(response, 404, 'NotFound')
    if (url.searchParams.get('watch') === 'true') this.#watch(resource, url.searchParams, response)
    else this.#list(resource, url.searchParams, response)
  }

  #break(fault: Fault, response: ServerResponse): void {
    if (fault.kind === 'drop') response.destroy()
    else if (fault.kind === 'garbage') response.end('<html>')
    else if (fault.kind === 'status') {
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter)
      status(response, fault.status, 'Broken')
    }
  }

  #list(resource: string, query: URLSearchParams, response: ServerResponse): void {
    const token = query.get('continue')
    const page =
      token === null ? { rest: this.#selected(resource, query), revision: this.#revision } : this.#pages.get(token)
    if (page === undefined) {
      status(response, 410, 'Expired')
      return
    }
    const limit = Math.min(this.pageLimit, Number(query.get('limit') ?? Number.POSITIVE_INFINITY))
    const items = page.rest.slice(0, limit)
    const rest = page.rest.slice(limit)
    const metadata: Json = { resourceVersion: String(page.revision) }
    if (rest.length > 0) {
      const next = `page-${this.#revision}-${this.requests.length}`
      this.#pages.set(next, { rest, revision: page.revision })
      metadata.continue = next
    }
    response.end(JSON.stringify({ kind: 'List', metadata, items }))
  }

  #selected(resource: string, query: URLSearchParams): readonly Stored[] {
    const name = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1]
    return this.listOf(resource).filter(({ metadata }) => name === undefined || metadata.name === name)
  }

  #watch(resource: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'))
    if (from < this.#forgotten) {
      status(response, 410, 'Expired')
      return
    }
    response.flushHeaders()
    for (const event of this.#history) {
      if (event.resource === resource && event.revision > from) response.write(line(event.type, event.object))
    }
    const watch = { resource, response }
    this.#watches.add(watch)
    response.on('close', () => this.#watches.delete(watch))
  }

  #tell(event: HistoryEvent): void {
    this.#history.push(event)
    for (const { resource, response } of this.#watches) {
      if (resource === event.resource) response.write(line(event.type, event.object))
    }
  }

  #bookmarkOf(revision: number): Json {
    return { metadata: { resourceVersion: String(revision) } }
  }

  #ofResource(resource: string): Map<string, Stored> {
    const held = this.#objects.get(resource) ?? new Map<string, Stored>()
    this.#objects.set(resource, held)
    return held
  }
}

function line(type: string, object: Json): string {
  return `${JSON.stringify({ type, object })}\n`
}

function status(response: ServerResponse, code: number, reason: string): void {
  response.statusCode = code
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', reason, code, message: `${reason} here` }))
}
