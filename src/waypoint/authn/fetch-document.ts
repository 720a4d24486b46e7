import { lookup as lookUp } from 'node:dns'
import { type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type IpAddress, parseIp } from '#shared/net'
import { mayFetchFrom } from './reachable.ts'

/** Key sets are some kilobytes. */
const MAX_DOCUMENT_BYTES = 1024 * 1024

/** @throws MeshError `TOKEN_KEYS_UNAVAILABLE` */
export type FetchDocument = (uri: string, timeoutMs: number) => Promise<string>

/**
 * Fetches small documents by GET: one request on a connection of its own, no redirects, no cookies, bounded in time and size,
 * and only from addresses that may be asked, whatever a name resolves to.
 */
export function documentFetcher(
  clock: Clock,
  isAllowed: (address: IpAddress) => boolean = mayFetchFrom,
): FetchDocument {
  return (uri, timeoutMs) =>
    new Promise((resolve, reject) => {
      const url = URL.canParse(uri) ? new URL(uri) : undefined
      const shown = url === undefined ? uri : `${url.origin}${url.pathname}` // without credentials
      const fail = (why: string, cause?: unknown): void => reject(unavailable(shown, why, cause))
      if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) return fail('is no http(s) URL')
      const literal = parseIp(url.hostname.replace(/^\[|\]$/g, ''))
      if (literal !== undefined && !isAllowed(literal)) return fail(`${literal} may not be asked`)
      const abort = new AbortController()
      const timer = clock.setTimer(timeoutMs, () => abort.abort(new Error(`no answer within ${timeoutMs} ms`)))
      const options: RequestOptions = {
        agent: false,
        lookup: guardedLookup(isAllowed),
        headers: { accept: 'application/json', 'accept-encoding': 'identity' },
        signal: abort.signal,
      }
      const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options)
      request.on('error', (error) => {
        timer.cancel()
        fail(String(abort.signal.reason?.message ?? error.message), error)
      })
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        const refuse = (why: string): void => abort.abort(new Error(why))
        response.on('error', () => {}) // `close` comes behind it
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_DOCUMENT_BYTES) refuse(`is longer than ${MAX_DOCUMENT_BYTES} bytes`)
          else chunks.push(chunk)
        })
        response.on('close', () => {
          timer.cancel()
          if (response.complete && !abort.signal.aborted) resolve(Buffer.concat(chunks).toString('utf8'))
          else fail(String(abort.signal.reason?.message ?? 'broke off'))
        })
        if (response.statusCode !== 200) refuse(`answered ${response.statusCode}`)
      })
      request.end()
    })
}

function unavailable(uri: string, why: string, cause: unknown): MeshError {
  return new MeshError('TOKEN_KEYS_UNAVAILABLE', `keys at ${JSON.stringify(uri.slice(0, 256))}: ${why}`, { cause })
}

/** One address of a name that may not be asked is reason enough: it is chosen by whoever owns the name. */
function guardedLookup(isAllowed: (address: IpAddress) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookUp(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const bad = addresses.find(({ address }) => {
        const ip = parseIp(address)
        return ip === undefined || !isAllowed(ip)
      })
      if (bad !== undefined) return callback(new Error(`${bad.address} may not be asked`), [])
      if (options.all) return callback(null, addresses)
      const [first] = addresses
      if (first === undefined) return callback(new Error('has no address'), [])
      callback(null, first.address, first.family)
    })
  }
}
