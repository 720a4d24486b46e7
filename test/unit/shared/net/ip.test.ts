import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatSocketAddress,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  isLoopback,
  parseIp,
  parseSocketAddress,
} from '#shared/net'
import { ip } from '../../../support/mesh-builder.ts'

describe('reading an address', () => {
  it.each<[string, string]>([
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // a single zero group is no run
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // the longest run
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // the first of equal runs
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:0a00:0001', '10.0.0.1'],
    ['::10.0.0.1', '::a00:1'], // IPv4-compatible is not mapped
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is %s', (text, canonical) => {
    expect(parseIp(text)).toBe(canonical)
  })

  it.each([
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1/8',
    ' 10.0.0.1',
    '[::1]',
    'fe80::1%eth0',
    ':::',
    '1:2',
    'g::',
    '::1::',
    'localhost',
  ])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined()
  })

  it('takes exactly what Node takes, except zones', () => {
    const parts = fc.array(fc.constantFrom('0', '1', 'ffff', ':', '::', '.', '255', '256', 'a', '00', '%'), {
      maxLength: 16,
    })
    fc.assert(
      fc.property(parts, (pieces) => {
        const text = pieces.join('')
        expect(parseIp(text) !== undefined).toBe(isIP(text) !== 0 && !text.includes('%'))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('addresses and their bytes', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 }).map((list) => Uint8Array.from(list)),
  )

  it('are the same thing: text and bytes lead back to each other, and the text is canonical', () => {
    fc.assert(
      fc.property(bytes, (original) => {
        const text = ipFromBytes(original)
        expect(text).toBeDefined()
        if (text === undefined) return
        expect(parseIp(text)).toBe(text)
        const isMapped = original.length === 16 && ipFamily(text) === 4
        expect([...ipToBytes(text)]).toEqual([...(isMapped ? original.subarray(12) : original)])
      }),
      { numRuns: 1_000 },
    )
  })

  it.each([0, 1, 3, 5, 15, 17])('%d bytes are no address', (length) => {
    expect(ipFromBytes(new Uint8Array(length))).toBeUndefined()
  })
})

it.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['10.0.0.1', false],
  ['::', false],
  ['128.0.0.1', false],
])('%s is on loopback: %s', (text, isThere) => {
  expect(isLoopback(ip(text))).toBe(isThere)
})

describe('an address with a port', () => {
  it.each(['10.0.0.1:0', '10.0.0.1:65535', '[::1]:80', '[2001:db8::a]:443'])('%s is read and written', (text) => {
    const socket = parseSocketAddress(text)
    expect(socket && formatSocketAddress(socket)).toBe(text)
  })

  it.each([
    '10.0.0.1',
    '10.0.0.1:',
    '10.0.0.1:65536',
    '10.0.0.1:-1',
    '::1:80',
    '[10.0.0.1:80',
    '[::1]',
    '[::1]:',
    'web:80',
    '',
  ])('refuses %j', (text) => {
    expect(parseSocketAddress(text)).toBeUndefined()
  })
})
