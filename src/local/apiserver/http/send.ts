import type { ServerResponse } from 'node:http'
import { stringify } from 'yaml'
import type { Status } from '../types.ts'

/** All Warning headers of one answer together. */
const MAX_WARNING_BYTES = 4096

const CONTENT_TYPES = { json: 'application/json', yaml: 'application/yaml' } as const

/** Warnings of one request: a line each, every one once. */
export class Warnings {
  readonly #lines = new Set<string>()
  #bytes = 0

  add(line: string): void {
    if (this.#lines.has(line) || this.#bytes + line.length > MAX_WARNING_BYTES) return
    this.#lines.add(line)
    this.#bytes += line.length
  }

  /** RFC 9111's `Warning: 299 - "text"`, as kubectl shows them. */
  headers(): string[] {
    return [...this.#lines].map((line) => {
      const text = line.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')
      return `299 - "${text}"`
    })
  }
}

export function sendObject(
  response: ServerResponse,
  code: number,
  body: object,
  syntax: 'json' | 'yaml',
  warnings?: Warnings,
): void {
  const text = syntax === 'json' ? `${JSON.stringify(body)}\n` : stringify(body)
  const warningHeaders = warnings?.headers() ?? []
  if (warningHeaders.length > 0) response.setHeader('Warning', warningHeaders)
  sendBytes(response, code, CONTENT_TYPES[syntax], Buffer.from(text))
}

export function sendBytes(response: ServerResponse, code: number, contentType: string, body: Uint8Array): void {
  response.writeHead(code, {
    'Content-Type': contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-cache, private',
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

export function sendText(response: ServerResponse, code: number, text: string): void {
  sendBytes(response, code, 'text/plain; charset=utf-8', Buffer.from(text))
}

/** Into an answer that has not begun; one that has is cut off, which is the only way left to say that it is not whole. */
export function sendStatus(response: ServerResponse, status: Status): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (status.details?.retryAfterSeconds !== undefined)
    response.setHeader('Retry-After', String(status.details.retryAfterSeconds))
  if (status.code === 401) response.setHeader('WWW-Authenticate', 'Bearer')
  sendObject(response, status.code, status, 'json')
}
