import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

const TIMEOUT_MS = 5000

/** Posts JSON to one address, on one connection that stays open. */
export function jsonPoster(url: URL): (body: string) => Promise<void> {
  const isTls = url.protocol === 'https:'
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 })
  const start = isTls ? httpsRequest : httpRequest
  return (body) =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const signal = AbortSignal.timeout(TIMEOUT_MS)
      const request = start(url, { method: 'POST', agent, headers, signal }, (response) => {
        const { statusCode = 0 } = response
        response.on('error', reject)
        response.on('end', () => {
          if (statusCode >= 200 && statusCode < 300) resolve()
          else reject(new Error(`answered ${statusCode}`))
        })
        response.resume()
      })
      request.on('error', reject)
      request.end(body)
    })
}
