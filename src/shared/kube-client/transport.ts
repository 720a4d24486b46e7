import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { refusal } from './api-error.ts'
import type { KubeLogin } from './login.ts'
import type { ApiRequest } from './types.ts'

/** `Connection: Upgrade` and its like come with it. */
export interface UpgradeRequest extends ApiRequest {
  readonly signal: AbortSignal
  readonly upgrade: Readonly<Record<string, string>>
}

export interface Upgraded {
  readonly kind: 'upgraded'
  readonly headers: IncomingHttpHeaders
  readonly socket: Duplex
  readonly head: Buffer
}

export interface TransportSettings {
  readonly clock: Clock
  /** A whole request; of a stream, until its headers. */
  readonly timeoutMs: number
}

/** Requests under way at once; more wait for their turn. Watches have connections of their own. */
const MAX_REQUESTS = 8
/** One page of a list with room to spare: an object has at most 1.5 MiB (etcd's limit). */
const MAX_BODY_BYTES = 128 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024
const KEEP_ALIVE_MS = 30_000

/** HTTP to one API server: bounded in time and size, and over connections that are kept. */
export class Transport implements Closer {
  readonly server: string
  readonly #login: KubeLogin
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #http: typeof http | typeof https
  readonly #agents: { readonly requests: http.Agent; readonly streams: http.Agent }
  readonly #closed = new AbortController()

  constructor(login: KubeLogin, { clock, timeoutMs }: TransportSettings) {
    this.server = login.server.origin
    this.#login = login
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#http = login.server.protocol === 'https:' ? https : http
    const { Agent } = this.#http
    // Certificates come with each request, not with the agent: they change while the program runs.
    this.#agents = {
      requests: new Agent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: MAX_REQUESTS }),
      streams: new Agent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS }),
    }
  }

  /**
   * The answer's JSON.
   * @throws KubeApiError for a status other than 2xx; MeshError `KUBE_API_UNREACHABLE` for anything else
   */
  async json(request: ApiRequest): Promise<unknown> {
    return this.#within(request, async (signal) => {
      const response = await this.#send(request, this.#agents.requests, signal)
      await refuseFailure(request, response)
      return parseJson(await collect(response, MAX_BODY_BYTES))
    })
  }

  /** The body as it comes, which the caller reads to its end or destroys; the time limit ends with the headers. */
  async stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<IncomingMessage> {
    return this.#within(request, async (signal) => {
      const response = await this.#send(request, this.#agents.streams, signal)
      await refuseFailure(request, response)
      return response
    })
  }

  /**
   * A connection that is not HTTP any more, and what came with the answer.
   * @throws as `json`, also when the server answers without changing the protocol
   */
  async upgrade(request: UpgradeRequest): Promise<Upgraded> {
    return this.#within(request, async (signal) => {
      const login = await aborted(signal, this.#login.options())
      const answer = await this.#exchange(request, login, this.#agents.streams, signal)
      if (answer.kind === 'upgraded') return answer
      await refuseFailure(request, answer.response)
      answer.response.destroy()
      throw new Error(`the server answered ${answer.response.statusCode} and did not change the protocol`)
    })
  }

  /** What is under way is cut off. */
  async close(): Promise<void> {
    this.#closed.abort(new MeshError('KUBE_API_UNREACHABLE', 'the client is closed'))
    this.#agents.requests.destroy()
    this.#agents.streams.destroy()
  }

  async #within<T>(request: ApiRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new AbortController()
    const timer = this.#clock.setTimer(this.#timeoutMs, () =>
      deadline.abort(new Error(`no answer within ${this.#timeoutMs} ms`)),
    )
    const signal = AbortSignal.any([
      deadline.signal,
      this.#closed.signal,
      ...(request.signal === undefined ? [] : [request.signal]),
    ])
    try {
      signal.throwIfAborted()
      return await work(signal)
    } catch (error) {
      if (error instanceof MeshError) throw error
      const cause = signal.aborted ? signal.reason : error
      throw unreachable(`${nameOf(request)} at ${this.server} failed: ${reasonOf(cause)}`, cause)
    } finally {
      timer.cancel()
    }
  }

  async #send(request: ApiRequest, agent: http.Agent, signal: AbortSignal): Promise<IncomingMessage> {
    const options = await aborted(signal, this.#login.options())
    try {
      return responseOf(await this.#exchange(request, options, agent, signal))
    } catch (error) {
      // The server closed a kept connection just then, and has not seen the request (Node: `request.reusedSocket`).
      if (!(error instanceof StaleConnection) || request.method === 'POST') throw error
      return responseOf(await this.#exchange(request, options, agent, signal))
    }
  }

  #exchange(
    request: ApiRequest | UpgradeRequest,
    login: RequestOptions,
    agent: http.Agent,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { server, isProxied } = this.#login
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body.value))
    const url = new URL(server)
    // A server behind a path (`https://host/k8s/clusters/c-1`) keeps it.
    const path = `${url.pathname.replace(/\/$/, '')}${request.path}`
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = this.#http.request(
        {
          ...login,
          agent: isProxied ? login.agent : agent,
          protocol: url.protocol,
          hostname: url.hostname.replace(/^\[|\]$/g, ''),
          port: url.port === '' ? undefined : Number(url.port),
          method: request.method,
          path,
          headers: {
            ...headersOf(login),
            ...contentHeaders(request, body),
            accept: request.accept ?? 'application/json',
            ...('upgrade' in request ? request.upgrade : {}),
          },
          signal,
        },
        (response) => resolve({ kind: 'response', response }),
      )
      sent.on('upgrade', ({ headers }, socket, head) => resolve({ kind: 'upgraded', headers, socket, head }))
      sent.on('socket', (socket) => void socket.setKeepAlive(true, KEEP_ALIVE_MS))
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')
        reject(isStale && !signal.aborted ? new StaleConnection(error.message) : error)
      })
      sent.end(body)
    })
  }
}

class StaleConnection extends Error {}

type Answer = { readonly kind: 'response'; readonly response: IncomingMessage } | Upgraded

function responseOf(answer: Answer): IncomingMessage {
  if (answer.kind === 'response') return answer.response
  answer.socket.destroy()
  throw new Error('the server changed the protocol unasked')
}

function headersOf(login: RequestOptions): Readonly<Record<string, string>> {
  const entries = Object.entries((login.headers ?? {}) as Readonly<Record<string, unknown>>)
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value).trim()]))
}

function contentHeaders({ body }: ApiRequest, bytes: Buffer | undefined): Record<string, string> {
  if (body === undefined || bytes === undefined) return {}
  return { 'content-type': body.contentType, 'content-length': String(bytes.length) }
}

async function refuseFailure(request: ApiRequest, response: IncomingMessage): Promise<void> {
  const status = response.statusCode ?? 0
  if (status >= 200 && status < 300) return
  const text = await collect(response, MAX_ERROR_BYTES).catch(() => '')
  throw refusal(nameOf(request), status, jsonOrText(text), response.headers['retry-after'])
}

async function collect(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    const part = chunk as Buffer
    bytes += part.length
    if (bytes > maxBytes) {
      response.destroy()
      throw new Error(`the answer is longer than ${maxBytes} bytes`)
    }
    chunks.push(part)
  }
  return Buffer.concat(chunks, bytes).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`the answer is no JSON: ${JSON.stringify(text.slice(0, 64))}`)
  }
}

/** An error's body need not be JSON: proxies, and unknown paths, are answered with text. */
function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return { message: text.trim() }
  }
}

/** Without the query: it may be long, and says little. */
function nameOf({ method, path }: ApiRequest): string {
  return `${method} ${path.split('?')[0]}`
}

/** Rejects as soon as the signal aborts: logging in may hang in somebody else's code. */
function aborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function unreachable(message: string, cause: unknown): MeshError {
  return new MeshError('KUBE_API_UNREACHABLE', message, { cause })
}
