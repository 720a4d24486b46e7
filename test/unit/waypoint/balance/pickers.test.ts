import { describe, expect, it } from 'vitest'
import type { Balancing } from '#shared/l7'
import { pickerOf } from '../../../../src/waypoint/balance/pickers.ts'
import { LiveEndpoint, Seat } from '../../../../src/waypoint/balance/seat.ts'
import { seededRandom } from '../../../support/cluster-view.ts'
import { ip, workload } from '../../../support/mesh-builder.ts'

/** Seats named a, b, c…, of these capacities. */
function seats(...capacities: readonly number[]): Seat[] {
  return capacities.map((capacity, at) => {
    const name = at < 26 ? String.fromCharCode(97 + at) : `w${at}`
    const address = ip(`10.0.${at >> 8}.${at & 255}`)
    const one = workload({ name, capacity, addresses: [address] })
    return new Seat(new LiveEndpoint(one, { kind: 'address', ip: address, port: 80 }), 0)
  })
}

const key = { kind: 'source-ip' } as const
const kinds: readonly (readonly [string, Balancing])[] = [
  ['least-request', { kind: 'least-request' }],
  ['round-robin', { kind: 'round-robin' }],
  ['random', { kind: 'random' }],
  ['passthrough', { kind: 'passthrough' }],
  ['ring', { kind: 'hash', key, table: { kind: 'ring', minimumSize: 1024 } }],
  ['maglev', { kind: 'hash', key, table: { kind: 'maglev', size: 65_537 } }],
]

/** How often each is picked, as a share; each pick is of a request that is over before the next. */
function shares(list: readonly Seat[], balancing: Balancing, count = 20_000): Readonly<Record<string, number>> {
  const random = seededRandom(7)
  const picker = pickerOf(list, balancing)
  const counts: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const name = picker.pick(random, Math.floor(random() * 2 ** 32))?.workload.name ?? '-'
    counts[name] = (counts[name] ?? 0) + 1 / count
  }
  return counts
}

describe.each(kinds)('%s', (_, balancing) => {
  it('picks nobody of none', () => {
    expect(pickerOf([], balancing).pick(Math.random, 1)).toBeUndefined()
  })

  it('picks the only one', () => {
    const [only] = seats(3)
    expect(pickerOf(seats(3), balancing).pick(seededRandom(1), 1)?.workload.name).toBe(only?.workload.name)
  })

  it('gives equal ones equal shares', () => {
    const found = shares(seats(1, 1, 1, 1), balancing)
    for (const name of ['a', 'b', 'c', 'd']) expect(found[name], name).toBeCloseTo(0.25, 1)
  })

  it('gives shares by capacity', () => {
    const found = shares(seats(1, 3), balancing)
    expect(found.a).toBeGreaterThan(0.2)
    expect(found.a).toBeLessThan(0.3)
  })

  it('works without a hash', () => {
    const picker = pickerOf(seats(1, 1), balancing)
    const random = seededRandom(3)
    const names = new Set(Array.from({ length: 50 }, () => picker.pick(random, undefined)?.workload.name))
    expect([...names].sort()).toEqual(['a', 'b'])
  })
})

describe('least request', () => {
  it('prefers the one with fewer requests for its capacity', () => {
    const [a, b] = seats(1, 1)
    a!.endpoint.activeRequests = 5
    b!.endpoint.activeRequests = 4
    const picker = pickerOf([a!, b!], { kind: 'least-request' })
    const random = seededRandom(1)
    for (let i = 0; i < 50; i++) expect(picker.pick(random, undefined)).toBe(b)
  })

  it('keeps the load even under requests that do not end', () => {
    const list = seats(...new Array<number>(50).fill(1))
    const picker = pickerOf(list, { kind: 'least-request' })
    const random = seededRandom(5)
    for (let i = 0; i < 5_000; i++) picker.pick(random, undefined)!.endpoint.activeRequests++
    const loads = list.map(({ endpoint }) => endpoint.activeRequests)
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThan(10)
  })

  it('loads by capacity under requests that do not end', () => {
    const list = seats(1, 2, 4)
    const picker = pickerOf(list, { kind: 'least-request' })
    const random = seededRandom(5)
    for (let i = 0; i < 7_000; i++) picker.pick(random, undefined)!.endpoint.activeRequests++
    for (const [at, expected] of [1_000, 2_000, 4_000].entries())
      expect(Math.abs(list[at]!.endpoint.activeRequests - expected)).toBeLessThan(150)
  })
})

describe('round robin', () => {
  const balancing = { kind: 'round-robin' } as const
  const round = (list: readonly Seat[], count: number): string => {
    const picker = pickerOf(list, balancing)
    return Array.from({ length: count }, () => picker.pick(() => 0, undefined)?.workload.name).join('')
  }

  it('goes round', () => {
    const found = round(seats(1, 1, 1), 9)
    expect(new Set(found.slice(0, 3))).toEqual(new Set(['a', 'b', 'c']))
    expect(found).toBe(found.slice(0, 3).repeat(3))
  })

  it('gives weights without bursts', () => {
    const found = round(seats(2, 1), 9)
    expect(found.match(/a/g)?.length).toBe(6)
    expect(found).not.toContain('aaa')
  })

  it('goes on where it was when one joins, who gets no burst', () => {
    const list = seats(1, 1, 1)
    round(list.slice(0, 2), 100)
    const found = round(list, 30)
    expect(found.match(/c/g)?.length).toBeLessThanOrEqual(11)
  })
})

describe.each(kinds.slice(4))('consistent hash with %s', (_, balancing) => {
  const hashes = Array.from({ length: 5_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0)
  const namesOf = (list: readonly Seat[]): readonly string[] => {
    const picker = pickerOf(list, balancing)
    return hashes.map((hash) => picker.pick(Math.random, hash)?.workload.name ?? '-')
  }
  const list = seats(...new Array<number>(20).fill(1))

  it('sends a hash to the same one whatever the order in which endpoints were heard of', () => {
    expect(namesOf([...list].reverse())).toEqual(namesOf(list))
  })

  it('moves few others when one goes', () => {
    const before = namesOf(list)
    const after = namesOf(list.slice(1))
    const others = before.filter((name, at) => name !== 'a' && after[at] !== name)
    expect(others.length / hashes.length).toBeLessThan(0.05)
  })

  it('takes hashes only for the new one when one comes, nearly', () => {
    const before = namesOf(list.slice(1))
    const after = namesOf(list)
    const moved = before.filter((name, at) => after[at] !== name && after[at] !== 'a')
    expect(moved.length / hashes.length).toBeLessThan(0.05)
    expect(after.filter((name) => name === 'a').length / hashes.length).toBeCloseTo(0.05, 1)
  })

  it('builds the table of 1,000 endpoints', () => {
    const found = new Set(namesOf(seats(...new Array<number>(1_000).fill(1))))
    expect(found.size).toBeGreaterThan(900)
  })
})
