import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TokenLocation } from '#shared/l7'
import { KeySet } from '../../../../src/waypoint/authn/key-set.ts'
import { readToken } from '../../../../src/waypoint/authn/read-token.ts'
import { removeTokensAt, tokensAt } from '../../../../src/waypoint/authn/token-places.ts'
import { base64url } from '../../../support/tokens.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

const json = fc.jsonValue().map((value) => JSON.stringify(value))
const part = fc.oneof(fc.string(), json.map(base64url), fc.constantFrom('', 'e30', base64url('{"alg":"ES256"}')))

describe('reading a token', () => {
  it('never throws, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const read = readToken(parts.join('.'))
        if (typeof read !== 'string') expect(read.text.split('.')).toHaveLength(3)
      }),
      { numRuns: 2000 },
    )
  })

  it('gives the claims that were written', () => {
    const claims = fc.record({
      iss: fc.string(),
      sub: fc.string(),
      exp: fc.nat(),
      aud: fc.array(fc.string()),
      x: fc.jsonValue(),
    })
    fc.assert(
      fc.property(claims, (written) => {
        const text = `${base64url('{"alg":"ES256"}')}.${base64url(JSON.stringify(written))}.AAAA`
        expect(readToken(text)).toMatchObject({ issuer: written.iss, audiences: written.aud, expiresAtS: written.exp })
      }),
    )
  })
})

describe('reading a key set', () => {
  it('never throws, whatever it is made of, and such keys have signed nothing', async () => {
    const odd = fc.oneof(
      fc.string(),
      json,
      fc.array(fc.jsonValue()).map((keys) => JSON.stringify({ keys })),
    )
    const token = readToken(`${base64url('{"alg":"ES256"}')}.${base64url('{}')}.AAAA`)
    if (typeof token === 'string') return expect.unreachable(token)
    await fc.assert(
      fc.asyncProperty(odd, async (text) => {
        const keys = KeySet.read(text)
        if (keys !== undefined) expect(await keys.hasSigned(token)).toBe(false)
      }),
    )
  })
})

describe('places of tokens', () => {
  const name = fc.stringMatching(/^[a-z_]{1,4}$/)
  const value = fc.stringMatching(/^[A-Za-z0-9._-]{1,8}$/)
  const others = fc.array(fc.tuple(name, value), { maxLength: 4 })

  it('are found between others, and taken away without them', () => {
    const kinds = fc.constantFrom<TokenLocation['kind']>('query', 'cookie')
    fc.assert(
      fc.property(kinds, others, others, value, (kind, before, after, token) => {
        const location: TokenLocation = { kind: kind === 'cookie' ? 'cookie' : 'query', name: 'TOKEN' }
        const pairs = [...before, ['TOKEN', token] as const, ...after].map((pair) => pair.join('='))
        const left = [...before, ...after].map((pair) => pair.join('='))
        const asked = kind === 'query' ? { target: `/a?${pairs.join('&')}` } : { headers: { cookie: pairs.join('; ') } }
        const { request } = exchangeOf(asked)
        expect(tokensAt(request, location)).toEqual([token])
        removeTokensAt(request, location)
        expect(tokensAt(request, location)).toEqual([])
        if (kind === 'query') expect(request.target).toBe(left.length === 0 ? '/a' : `/a?${left.join('&')}`)
        else expect(request.fields.get('cookie')).toBe(left.length === 0 ? undefined : left.join('; '))
      }),
    )
  })

  it('are empty after they were taken away, whatever the client has sent', () => {
    const locations: readonly TokenLocation[] = [
      { kind: 'query', name: 'a' },
      { kind: 'cookie', name: 'a' },
      { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
    ]
    const odd = fc.array(fc.constantFrom('a', '=', '&', ';', '%61', '%', ' ', '"', 'Bearer ', 'b', '+', '?'), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(odd, odd, (query, line) => {
        const text = line.join('')
        const { request } = exchangeOf({
          target: `/?${query.join('')}`,
          headers: { cookie: text, authorization: [text, text] },
        })
        for (const location of locations) removeTokensAt(request, location)
        for (const location of locations) expect(tokensAt(request, location)).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })
})
