import { request } from 'node:https'
import { isIP } from 'node:net'
import type { Clock } from '#shared/clock'
import type { WebhookAddress } from './types.ts'

/** Objects are at most 3 MiB; a patch may be somewhat larger. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export interface CallSettings {
  readonly clock: Clock
  readonly address: WebhookAddress
  /** Base64 of PEM; undefined or empty: the system's authorities. */
  readonly caBundle: string | undefined
  readonly timeoutMs: number
}

/** Posts JSON over TLS. @returns the JSON of the answer @throws Error for anything else than a 200 with JSON in time */
export function callWebhook({ clock, address, caBundle, timeoutMs }: CallSettings, body: unknown): Promise<unknown> {
  const { host, port, path, serverName } = address
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const asked = request({
      host,
      port,
      path,
      method: 'POST',
      // Names of servers are never addresses (RFC 6066, section 3).
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      ...(caBundle ? { ca: Buffer.from(caBundle, 'base64') } : {}),
      headers: {
        host: serverName,
        'content-type': 'application/json',
        accept: 'application/json',
        'content-length': Buffer.byteLength(text),
      },
      agent: false,
    })
    const timer = clock.setTimer(timeoutMs, () => asked.destroy(new Error('context deadline exceeded')))
    const done = (): void => timer.cancel()
    asked.on('error', (error) => {
      done()
      reject(error)
    })
    asked.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) asked.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', (error) => {
        done()
        reject(error)
      })
      response.on('end', () => {
        done()
        const { statusCode } = response
        if (statusCode !== 200) return reject(new Error(`the server answered with status ${statusCode}`))
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')))
        } catch {
          reject(new Error('the server answered with something that is not JSON'))
        }
      })
    })
    asked.end(text)
  })
}
