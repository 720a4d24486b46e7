import { describe, expect, it } from 'vitest'
import type { CorsPolicy } from '#shared/l7'
import { corsLines, judgeCors } from '../../../../src/waypoint/filters/cors.ts'
import { requestHead } from '../../../support/waypoint-requests.ts'

const POLICY: CorsPolicy = {
  origins: [
    { kind: 'exact', value: 'https://a.example' },
    { kind: 'regex', value: 'https://.+\\.b\\.example' },
  ],
  methods: ['GET', 'PUT'],
  headers: ['x-one', 'x-two'],
  exposeHeaders: ['x-out'],
  maxAgeMs: 90_500,
  allowCredentials: true,
  unmatchedPreflights: 'ignore',
}
const ANY: CorsPolicy = {
  ...POLICY,
  origins: [{ kind: 'presence' }],
  methods: ['*'],
  headers: ['*'],
  allowCredentials: false,
}

const verdict = (policy: CorsPolicy, method: string, headers: Readonly<Record<string, string>>) =>
  judgeCors(policy, requestHead({ method, headers }))
const preflight = (policy: CorsPolicy, headers: Readonly<Record<string, string>>) => {
  const found = verdict(policy, 'OPTIONS', { 'access-control-request-method': 'PUT', ...headers })
  return found.kind === 'preflight' ? Object.fromEntries(found.reply.fields) : found.kind
}

describe('a preflight', () => {
  it('of an allowed origin is answered with all that is allowed', () => {
    expect(preflight(POLICY, { origin: 'https://a.example' })).toEqual({
      'access-control-allow-origin': 'https://a.example',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-out',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'x-one, x-two',
      'access-control-max-age': '90',
    })
    expect(
      verdict(POLICY, 'OPTIONS', { origin: 'https://a.example', 'access-control-request-method': 'GET' }),
    ).toMatchObject({
      reply: { status: 200, body: '' },
    })
  })

  it('is answered with what it asked for where everything is allowed', () => {
    const asked = { origin: 'null', 'access-control-request-headers': 'x-a, x-b' }
    expect(preflight(ANY, asked)).toMatchObject({
      'access-control-allow-origin': 'null',
      'access-control-allow-methods': 'PUT',
      'access-control-allow-headers': 'x-a, x-b',
    })
    expect(preflight(ANY, asked)).not.toHaveProperty('access-control-allow-credentials')
  })

  it('does not get back what is no list of names', () => {
    expect(preflight(ANY, { origin: 'x', 'access-control-request-headers': '<b>' })).not.toHaveProperty(
      'access-control-allow-headers',
    )
  })

  it('of another origin is answered without a word of CORS, or goes on', () => {
    expect(preflight(POLICY, { origin: 'https://evil.example' })).toEqual({})
    expect(preflight({ ...POLICY, unmatchedPreflights: 'forward' }, { origin: 'https://evil.example' })).toBe('none')
  })

  it.each([
    ['OPTIONS', { origin: 'https://a.example' }, 'allowed'],
    ['OPTIONS', { origin: 'https://a.example', 'access-control-request-method': '' }, 'allowed'],
    ['GET', { origin: 'https://a.example', 'access-control-request-method': 'GET' }, 'allowed'],
    ['OPTIONS', { 'access-control-request-method': 'GET' }, 'none'],
  ])('is not %s with %j', (method, headers, kind) => {
    expect(verdict(POLICY, method, headers).kind).toBe(kind)
  })
})

describe('an origin', () => {
  it.each([
    ['https://a.example', 'allowed'],
    ['https://a.example:8443', 'none'],
    ['http://a.example', 'none'],
    ['https://x.b.example', 'allowed'],
    ['https://x.y.b.example', 'allowed'],
    ['https://.b.example.evil', 'none'],
    ['https://b.example', 'none'],
    [`https://${'x'.repeat(9_000)}.b.example`, 'none'],
    ['', 'none'],
  ])('%s: %s', (origin, kind) => {
    expect(verdict(POLICY, 'GET', { origin }).kind).toBe(kind)
  })

  it('that is allowed is told so with the answer', () => {
    expect(corsLines(POLICY, 'https://a.example')).toEqual([
      ['access-control-allow-origin', 'https://a.example'],
      ['access-control-allow-credentials', 'true'],
      ['access-control-expose-headers', 'x-out'],
    ])
  })
})
