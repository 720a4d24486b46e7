import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { createInterface, type Interface } from 'node:readline'
import type { ApiServer } from '../../src/local/apiserver/index.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into by tests, which fail when they are of another form
export type Json = any

export interface KubeAnswer {
  readonly code: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** Undefined when it is no JSON. */
  readonly json: Json
}

export interface RequestOptions {
  readonly body?: unknown
  readonly type?: string
  readonly accept?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A client that sees the answers as they are. */
export class KubeClient {
  readonly #url: string
  readonly #agent: Agent
  readonly #headers: Readonly<Record<string, string>>

  /** @param who undefined: nobody; a text: a bearer token; else a client certificate */
  constructor(
    server: Pick<ApiServer, 'url' | 'caPem'>,
    who?: string | { readonly certificatePem: string; readonly privateKeyPem: string },
  ) {
    this.#url = server.url
    const pair = typeof who === 'object' ? { cert: who.certificatePem, key: who.privateKeyPem } : {}
    this.#agent = new Agent({ keepAlive: true, ca: server.caPem, ...pair })
    this.#headers = typeof who === 'string' ? { authorization: `Bearer ${who}` } : {}
  }

  async send(method: string, path: string, options: RequestOptions = {}): Promise<KubeAnswer> {
    const response = await this.#open(method, path, options)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    return { code: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) }
  }

  get(path: string, options: RequestOptions = {}): Promise<KubeAnswer> {
    return this.send('GET', path, options)
  }

  post(path: string, body: unknown, options: RequestOptions = {}): Promise<KubeAnswer> {
    return this.send('POST', path, { ...options, body })
  }

  put(path: string, body: unknown): Promise<KubeAnswer> {
    return this.send('PUT', path, { body })
  }

  merge(path: string, body: unknown): Promise<KubeAnswer> {
    return this.send('PATCH', path, { body, type: 'application/merge-patch+json' })
  }

  delete(path: string, body?: unknown): Promise<KubeAnswer> {
    return this.send('DELETE', path, { body })
  }

  async watch(path: string, options: RequestOptions = {}): Promise<WatchStream> {
    return new WatchStream(await this.#open('GET', path, options))
  }

  close(): void {
    this.#agent.destroy()
  }

  async #open(method: string, path: string, options: RequestOptions): Promise<IncomingMessage> {
    const body =
      typeof options.body === 'string' || Buffer.isBuffer(options.body) ? options.body : JSON.stringify(options.body)
    const outgoing = request(`${this.#url}${path}`, {
      method,
      agent: this.#agent,
      headers: {
        ...this.#headers,
        accept: options.accept ?? 'application/json',
        ...(body === undefined
          ? {}
          : { 'content-type': options.type ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...options.headers,
      },
    })
    outgoing.end(body)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    return response
  }
}

/** Events of one watch, one by one. */
export class WatchStream {
  readonly #lines: Interface
  readonly #next: AsyncIterator<string>
  readonly #response: IncomingMessage
  readonly code: number

  constructor(response: IncomingMessage) {
    this.#response = response
    this.code = response.statusCode ?? 0
    response.on('error', () => undefined)
    this.#lines = createInterface(response)
    this.#next = this.#lines[Symbol.asyncIterator]()
  }

  /** Undefined at the end. */
  async next(): Promise<Json> {
    const { value, done } = await this.#next.next()
    return done === true ? undefined : JSON.parse(value)
  }

  /** `TYPE name` of the next ones. */
  async told(count: number): Promise<string[]> {
    const all: string[] = []
    while (all.length < count) {
      const event = await this.next()
      if (event === undefined) break
      all.push(`${event.type} ${event.object.metadata?.name ?? event.object.code ?? ''}`.trim())
    }
    return all
  }

  close(): void {
    this.#lines.close()
    this.#response.destroy()
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
