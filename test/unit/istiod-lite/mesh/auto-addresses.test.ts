import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AddressWish, allocateAddresses } from '../../../../src/istiod-lite/mesh/auto-addresses.ts'

const wish = (name: string, more: Partial<AddressWish> = {}): AddressWish => ({
  entry: `shop/${name}`,
  namespace: 'shop',
  name,
  creationTimestamp: undefined,
  hosts: [`${name}.example`],
  held: [],
  fixed: [],
  ...more,
})

const wishes = fc
  .uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z]{1,3}$/),
      creationTimestamp: fc.constantFrom(undefined, '2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
      count: fc.integer({ min: 0, max: 3 }),
      held: fc.array(fc.constantFrom('240.240.0.1', '240.240.0.2', '2001:2::1', '10.0.0.1'), { maxLength: 3 }),
      fixed: fc.array(fc.constantFrom('240.240.0.2', '240.240.0.3'), { maxLength: 1 }),
    }),
    { selector: ({ name }) => name, maxLength: 12 },
  )
  .map((all) =>
    all.map(({ name, creationTimestamp, count, held, fixed }) => {
      const hosts = Array.from({ length: count }, (_, i) => `h${i}.${name}.example`)
      const of = hosts[0]
      return wish(name, {
        creationTimestamp,
        hosts,
        fixed,
        held: of === undefined ? [] : held.map((value) => ({ host: of, value })),
      })
    }),
  )

describe('automatic addresses', () => {
  it('are one of either family for each host, each given once, and none that an author wrote', () => {
    fc.assert(
      fc.property(wishes, (all) => {
        const given = allocateAddresses(all).flatMap(({ addresses }) => addresses)
        const values = given.map(({ value }) => value)
        expect(new Set(values).size).toBe(values.length)
        for (const fixed of all.flatMap((each) => each.fixed)) expect(values).not.toContain(fixed)
        for (const host of all.flatMap(({ hosts }) => hosts)) {
          const families = given.filter((each) => each.host === host).map(({ value }) => (value.includes(':') ? 6 : 4))
          expect(families).toEqual([4, 6])
        }
      }),
    )
  })

  it('do not depend on the order of the entries, and stay once they are written down', () => {
    fc.assert(
      fc.property(wishes, fc.func(fc.nat()), (all, place) => {
        const given = allocateAddresses(all)
        const shuffled = [...all].sort((a, b) => place(a.entry) - place(b.entry))
        expect(allocateAddresses(shuffled)).toEqual(given)
        const written = all.map((each) => ({
          ...each,
          held: given.find(({ entry }) => entry === each.entry)?.addresses ?? [],
        }))
        expect(allocateAddresses(written)).toEqual(given)
        // Whoever comes later takes nothing away from those that are written down.
        const later = allocateAddresses([wish('newcomer', { creationTimestamp: '2000-01-01T00:00:00Z' }), ...written])
        expect(later.filter(({ entry }) => entry !== 'shop/newcomer')).toEqual(given)
      }),
    )
  })

  it('are of 240.240.0.0/16 and 2001:2::/48', () => {
    const given = allocateAddresses(Array.from({ length: 300 }, (_, i) => wish(`e${i}`)))
    for (const { addresses } of given)
      expect(addresses.map(({ value }) => value)).toEqual([
        expect.stringMatching(/^240\.240\.\d+\.\d+$/),
        expect.stringMatching(/^2001:2:(0:|:)/),
      ])
  })

  it('end when all are given; the youngest go without', () => {
    const all = ['2021', '2022', '2023'].map((year) =>
      wish(`e${year}`, { creationTimestamp: `${year}-01-01T00:00:00Z` }),
    )
    const given = allocateAddresses([...all].reverse(), { v4Count: 2 })
    expect(given.map(({ entry, addresses }) => [entry, addresses.length])).toEqual([
      ['shop/e2021', 2],
      ['shop/e2022', 2],
      ['shop/e2023', 1],
    ])
  })
})
