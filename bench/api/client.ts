import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import type { Served } from './api.ts'

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'

/** Speaks with the API over kept-alive connections, as client libraries do. */
export class ApiClient {
  readonly #served: Served
  readonly #agent: Agent

  constructor(served: Served) {
    this.#served = served
    const { caPem, client } = served
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 256,
      ca: caPem,
      cert: client.certificatePem,
      key: client.privateKeyPem,
    })
  }

  async post(path: string, body: unknown): Promise<void> {
    await this.#whole(await this.#ask('POST', path, JSON.stringify(body), 'application/json'), 201)
  }

  async patch(path: string, body: unknown): Promise<void> {
    await this.#whole(await this.#ask('PATCH', path, JSON.stringify(body), 'application/merge-patch+json'), 200)
  }

  /** @returns bytes of the answer, read to its end */
  async list(path: string, form: 'objects' | 'table'): Promise<number> {
    return this.#whole(await this.#ask('GET', path, '', '', form === 'table' ? TABLE : 'application/json'), 200)
  }

  /** The revision from which an informer would watch. */
  async revision(path: string): Promise<string> {
    const response = await this.#ask('GET', `${path}?limit=1`)
    let text = ''
    for await (const chunk of response) text += chunk
    return (JSON.parse(text) as { metadata: { resourceVersion: string } }).metadata.resourceVersion
  }

  /** @param event gets each event's object, as soon as its line is whole */
  async watch(path: string, event: (object: WatchedObject) => void): Promise<void> {
    const response = await this.#ask('GET', path)
    let rest = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) event((JSON.parse(line) as { object: WatchedObject }).object)
    })
    response.on('error', () => undefined)
  }

  close(): void {
    this.#agent.destroy()
  }

  async #whole(response: IncomingMessage, status: number): Promise<number> {
    let bytes = 0
    for await (const chunk of response) bytes += (chunk as Buffer).length
    if (response.statusCode !== status) throw new Error(`expected ${status}, got ${response.statusCode}`)
    return bytes
  }

  #ask(method: string, path: string, body = '', type = '', accept = 'application/json'): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = {
        accept,
        ...(type === '' ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) }),
      }
      const asked = request(`${this.#served.url}${path}`, { method, agent: this.#agent, headers }, resolve)
      asked.on('error', reject)
      asked.end(body)
    })
  }
}

export interface WatchedObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
}

/** Runs `work` for 0…count-1, so many at a time. */
export async function sideBySide(count: number, parallel: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: parallel }, one))
}

/** Waits until it holds. @throws Error after `withinMs` */
export async function until(holds: () => boolean, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms`)
    await pause(5)
  }
}
