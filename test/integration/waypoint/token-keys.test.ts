import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import type { MeshError } from '#shared/errors'
import type { TokenIssuer } from '#shared/l7'
import { Authenticator, documentFetcher } from '../../../src/waypoint/authn/index.ts'
import { keySet, type SigningKey, signedToken, signingKey, tokenIssuer, tokenPolicy } from '../../support/tokens.ts'
import { exchangeOf } from '../../support/waypoint-exchange.ts'

const one = signingKey('one')
const two = signingKey('two')
const nowS = Math.floor(Date.now() / 1000)

let server: Server
let answer: RequestListener
let requests: string[]
let base: string

beforeEach(async () => {
  requests = []
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // a TCP server's
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

function keysAre(...keys: readonly SigningKey[]): void {
  answer = (_, response) => response.end(keySet(...keys))
}

function authenticator(rule: TokenIssuer) {
  const counters = {
    ...{ accepted: { value: 0 }, refused: { value: 0 }, remembered: { value: 0 } },
    ...{ keyFetches: { value: 0 }, keyFetchFailures: { value: 0 } },
  }
  const policies = [tokenPolicy(rule)]
  const problems: MeshError[] = []
  const asked = new Authenticator({
    ...{ view: { tokenPolicies: () => policies }, clock: systemClock, counters },
    fetchDocument: documentFetcher(systemClock, () => true),
    onKeysUnavailable: (error) => problems.push(error),
  })
  const show = async (token: string): Promise<string> => {
    const request = exchangeOf({ headers: { authorization: `Bearer ${token}` } })
    const outcome = await asked.authenticate(request)
    return 'kind' in outcome ? String(outcome.body) : (outcome.token?.subject ?? 'nobody')
  }
  return { show, problems, counters }
}

function remote(timeoutMs = 5_000): TokenIssuer {
  return tokenIssuer({ keys: { kind: 'remote', uri: `${base}/keys`, timeoutMs } })
}

function token(key: SigningKey, sub = 'bob'): string {
  return signedToken(key, { iss: 'https://issuer.example', sub, exp: nowS + 600 })
}

const FAILED = 'Jwks remote fetch is failed'

describe('keys from a server', () => {
  it('are fetched once for a hundred tokens at the same time', async () => {
    keysAre(one)
    const { show, counters } = authenticator(remote())
    const outcomes = await Promise.all(Array.from({ length: 100 }, (_, i) => show(token(one, `user${i}`))))
    expect(outcomes).toEqual(Array.from({ length: 100 }, (_, i) => `user${i}`))
    expect(requests).toEqual(['GET /keys'])
    expect(counters).toMatchObject({ accepted: { value: 100 }, keyFetches: { value: 1 } })
  })

  it('are fetched again when an issuer has a new one', async () => {
    keysAre(one)
    const { show } = authenticator(remote())
    expect(await show(token(one))).toBe('bob')
    keysAre(two)
    expect(await show(token(two))).toBe('bob')
    expect(requests).toHaveLength(2)
    // A key that its issuer has taken back is no key any more, also for a token that was seen before.
    expect(await show(token(one))).toBe("Jwks doesn't have key to match kid or alg from Jwt")
  })

  it('are found by the issuer’s configuration', async () => {
    answer = (request, response) =>
      response.end(request.url === '/keys' ? keySet(one) : JSON.stringify({ jwks_uri: `${base}/keys` }))
    const { show } = authenticator(tokenIssuer({ issuer: base, keys: { kind: 'discovered', timeoutMs: 5_000 } }))
    expect(await show(signedToken(one, { iss: base, sub: 'bob' }))).toBe('bob')
    expect(requests).toEqual(['GET /.well-known/openid-configuration', 'GET /keys'])
  })

  it.each<[string, RequestListener, RegExp]>([
    ['is slow', () => {}, /no answer within 50 ms/],
    ['is slow behind its head', (_, response) => response.write('{'), /no answer within 50 ms/],
    ['is huge', (_, response) => response.end(' '.repeat(1024 * 1024 + 1)), /longer than 1048576 bytes/],
    [
      'breaks off',
      (_, response) => response.writeHead(200, { 'content-length': 9 }).write('{', () => response.destroy()),
      /broke off/,
    ],
    ['hangs up', (request) => request.socket.destroy(), /socket hang up/],
    ['says no', (_, response) => response.writeHead(404).end('{"keys":[]}'), /answered 404/],
    ['leads elsewhere', (_, response) => response.writeHead(302, { location: '/other' }).end(), /answered 302/],
    ['sends a page', (_, response) => response.end('<html>'), /is no JSON Web Key Set/],
  ])('let nobody in when the server %s', async (_, listener, reason) => {
    answer = listener
    const { show, problems, counters } = authenticator(remote(reason.source.includes('50 ms') ? 50 : 5_000))
    expect(await show(token(one))).toBe(FAILED)
    expect(problems.map(({ code, message }) => `${code} ${message}`)).toEqual([expect.stringMatching(reason)])
    // The next token does not wait again.
    keysAre(one)
    expect(await show(token(one))).toBe(FAILED)
    expect([requests.length, counters.keyFetchFailures.value]).toEqual([1, 1])
  })

  it('let nobody in when two tokens wait and the server fails', async () => {
    answer = (_, response) => response.writeHead(500).end()
    const { show } = authenticator(remote())
    expect(await Promise.all([show(token(one)), show(token(two))])).toEqual([FAILED, FAILED])
    expect(requests).toHaveLength(1)
  })

  it('let nobody in when nobody listens', async () => {
    const { show, problems } = authenticator(
      tokenIssuer({ keys: { kind: 'remote', uri: 'http://127.0.0.1:1/', timeoutMs: 500 } }),
    )
    expect(await show(token(one))).toBe(FAILED)
    expect(problems).toHaveLength(1)
  })
})

describe('what is not fetched', () => {
  it.each<[string, RegExp]>([
    ['http://127.0.0.1:PORT/keys', /127\.0\.0\.1 may not be asked/],
    ['http://localhost:PORT/keys', /may not be asked/],
    ['http://0x7f.1:PORT/keys', /127\.0\.0\.1 may not be asked/],
    ['http://2130706433:PORT/keys', /127\.0\.0\.1 may not be asked/],
    ['http://[::1]:PORT/keys', /::1 may not be asked/],
    ['http://[::ffff:127.0.0.1]:PORT/keys', /127\.0\.0\.1 may not be asked/],
    ['http://169.254.169.254/latest/meta-data', /169\.254\.169\.254 may not be asked/],
    ['file:///etc/passwd', /is no http\(s\) URL/],
    ['data:application/json,{"keys":[]}', /is no http\(s\) URL/],
    ['keys', /is no http\(s\) URL/],
  ])('%s', async (uri, reason) => {
    answer = (_, response) => response.end('{"keys":[]}')
    const asked = uri.replace('PORT', new URL(base).port)
    await expect(documentFetcher(systemClock)(asked, 1_000)).rejects.toMatchObject({
      code: 'TOKEN_KEYS_UNAVAILABLE',
      message: expect.stringMatching(reason),
    })
    expect(requests).toEqual([])
  })
})
