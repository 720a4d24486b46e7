import { BlockList } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cidrContains, cidrFromBytes, formatCidr, ipFamily, ipFromBytes, parseCidr } from '#shared/net'
import { cidr, ip } from '../../../support/mesh-builder.ts'

describe('reading a network', () => {
  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.1.2.255/25', '10.1.2.128/25'],
    ['fd00::1/64', 'fd00::/64'],
    ['fd00::1', 'fd00::1/128'],
    ['ff::/1', '::/1'],
  ])('%s is %s', (text, canonical) => {
    expect(formatCidr(cidr(text))).toBe(canonical)
  })

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/a',
    'fd00::/129',
    '/8',
    '10.0.0/8',
  ])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined()
  })

  it.each([
    [new Uint8Array(5), 8],
    [new Uint8Array(4), 33],
    [new Uint8Array(4), -1],
    [new Uint8Array(4), 1.5],
    [new Uint8Array(0), 0],
  ])('refuses bytes %j with prefix %s', (bytes, prefixBits) => {
    expect(cidrFromBytes(bytes, prefixBits)).toBeUndefined()
  })
})

describe('a network contains', () => {
  it.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '10.0.0.1', false],
    ['fd00::/63', 'fd00:0:0:1::1', true],
    ['fd00::/63', 'fd00:0:0:2::1', false],
  ])('%s and %s: %s', (network, address, isInside) => {
    expect(cidrContains(cidr(network), ip(address))).toBe(isInside)
  })

  it('what Node’s own block list contains', () => {
    const v4 = fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }))
    const v6 = fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.integer({ min: 0, max: 128 }))
    fc.assert(
      fc.property(fc.oneof(v4, v6), fc.nat(), fc.nat(255), ([bytes, prefixBits], at, other) => {
        const nearby = Uint8Array.from(bytes)
        nearby[at % nearby.length] = other
        const [network, address] = [ipFromBytes(bytes), ipFromBytes(nearby)]
        const read = cidrFromBytes(bytes, prefixBits)
        if (network === undefined || address === undefined || read === undefined) throw new Error('unreachable')
        if (ipFamily(network) !== read.family || ipFamily(address) !== read.family) return // mapped IPv4
        const family = read.family === 4 ? 'ipv4' : 'ipv6'
        const oracle = new BlockList()
        oracle.addSubnet(network, prefixBits, family)
        expect(cidrContains(read, address)).toBe(oracle.check(address, family))
      }),
      { numRuns: 1_000 },
    )
  })
})
