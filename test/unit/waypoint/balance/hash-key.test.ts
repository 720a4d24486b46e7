import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HashKey } from '#shared/l7'
import { hashOf } from '../../../../src/waypoint/balance/hash.ts'
import { cookieValue, keyOf, queryValue } from '../../../../src/waypoint/balance/hash-key.ts'
import { connectionOf, exchangeOf } from '../../../support/waypoint-exchange.ts'

describe('what a request is hashed by', () => {
  const request = exchangeOf({
    source: '10.1.1.1:4000',
    target: '/cart?user=ann&x=1',
    headers: { 'x-user': 'bob', cookie: 'a=1; sid=s-1' },
  })
  it.each<[string, HashKey, string | undefined]>([
    ['a header', { kind: 'header', name: 'X-User' }, 'bob'],
    ['a header that is not there', { kind: 'header', name: 'x-other' }, undefined],
    ['the source', { kind: 'source-ip' }, '10.1.1.1'],
    ['a query parameter', { kind: 'query', name: 'user' }, 'ann'],
    ['a query parameter that is not there', { kind: 'query', name: 'use' }, undefined],
    ['a cookie', { kind: 'cookie', name: 'sid', path: '/', lifeMs: 0 }, 's-1'],
    [
      'a cookie that is not there and is not made',
      { kind: 'cookie', name: 'no', path: '', lifeMs: undefined },
      undefined,
    ],
  ])('%s', (_, key, expected) => {
    const outcome = keyOf(request, key, () => 0.5)
    expect(outcome).toEqual({ hash: expected === undefined ? undefined : hashOf(expected), setCookie: undefined })
  })

  it.each<[string, number, string, string]>([
    ['for a while', 90_000, '/shop', 'sid=8000000080000000; Max-Age=90; Path=/shop; HttpOnly'],
    ['for the session', 0, '', 'sid=8000000080000000; HttpOnly'],
  ])('a new cookie %s, by which the client comes back to the same endpoint', (_, lifeMs, path, expected) => {
    const key: HashKey = { kind: 'cookie', name: 'sid', path, lifeMs }
    const first = keyOf(exchangeOf(), key, () => 0.5)
    expect(first.setCookie).toBe(expected)
    const again = keyOf(exchangeOf({ headers: { cookie: expected.split(';')[0] ?? '' } }), key, () => 0.1)
    expect(again).toEqual({ hash: first.hash, setCookie: undefined })
  })

  it('opaque bytes have a source and nothing else', () => {
    const bytes = { connection: connectionOf({ source: '10.1.1.1:4000' }), request: undefined }
    expect(keyOf(bytes, { kind: 'source-ip' }, () => 0).hash).toBe(hashOf('10.1.1.1'))
    expect(keyOf(bytes, { kind: 'header', name: 'a' }, () => 0).hash).toBeUndefined()
  })
})

describe('reading query and cookies', () => {
  it.each<[string, string, string | undefined]>([
    ['/?a=1&b=2', 'b', '2'],
    ['/?ab=1&a=2', 'a', '2'],
    ['/?a', 'a', ''],
    ['/?a=', 'a', ''],
    ['/?a=1&a=2', 'a', '1'],
    ['/?a=b=c', 'a', 'b=c'],
    ['/', 'a', undefined],
    ['/?', 'a', undefined],
  ])('%s has %s: %s', (target, name, expected) => {
    expect(queryValue(target, name)).toBe(expected)
  })

  it.each<[string, string, string | undefined]>([
    ['a=1; b=2', 'b', '2'],
    ['a="1"', 'a', '1'],
    ['ab=1', 'a', undefined],
    ['a', 'a', undefined],
    [' a = 1 ', 'a', '1'],
  ])('%s has %s: %s', (field, name, expected) => {
    expect(cookieValue(field, name)).toBe(expected)
  })

  it('finds the value of any query as URLSearchParams does, where nothing is encoded', () => {
    const word = fc.stringMatching(/^[a-z0-9]{0,4}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), fc.stringMatching(/^[a-z0-9]{1,4}$/), (pairs, name) => {
        const query = pairs.map(([key, value]) => `${key}=${value}`).join('&')
        expect(queryValue(`/?${query}`, name)).toBe(new URLSearchParams(query).get(name) ?? undefined)
      }),
    )
  })

  it('gives up on no text whatever', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), (text, name) => {
        queryValue(text, name)
        cookieValue(text, name)
        expect(hashOf(text)).toBe(hashOf(text))
      }),
    )
  })
})

describe('the hash', () => {
  // Of the reference implementation (MurmurHash3_x86_32).
  it.each<[string, number, number]>([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ])('%j with seed %d', (text, seed, expected) => {
    expect(hashOf(text, seed)).toBe(expected)
  })
})
