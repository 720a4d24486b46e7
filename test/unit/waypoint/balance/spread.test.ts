import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type GroupHealth, spreadByShares, spreadOverRanks } from '../../../../src/waypoint/balance/spread.ts'

const rank = (usable: number, total: number, weight = 1): GroupHealth => ({ usable, total, weight })
const loads = (groups: readonly { load: number }[]): readonly number[] =>
  groups.map(({ load }) => Math.round(load * 100))

describe('ranked groups', () => {
  it.each<[string, readonly GroupHealth[], number, readonly number[]]>([
    ['the first takes all', [rank(4, 4), rank(4, 4)], 0, [100, 0]],
    ['and still does with 3 of 4, which are more than 1 / 1.4', [rank(3, 4), rank(4, 4)], 0, [100, 0]],
    ['the next takes what the first has no room for', [rank(2, 4), rank(4, 4)], 0, [70, 30]],
    ['all goes to the next when the first has nobody', [rank(0, 4), rank(4, 4)], 0, [0, 100]],
    ['an empty one is passed over', [rank(0, 0), rank(1, 1)], 0, [0, 100]],
    ['with too little room for all it is shared by room', [rank(1, 4), rank(1, 4)], 0, [50, 50]],
    ['nobody is well and nobody panics', [rank(0, 4)], 0, [0]],
    ['nobody is well and everybody panics', [rank(0, 4), rank(0, 4)], 50, [50, 50]],
  ])('%s', (_, groups, threshold, expected) => {
    expect(loads(spreadOverRanks(groups, threshold))).toEqual(expected)
  })

  it('uses all members below the threshold, when the others have no room either', () => {
    expect(spreadOverRanks([rank(1, 4)], 50)).toEqual([{ load: 1, usesAll: true }])
    expect(spreadOverRanks([rank(1, 4), rank(4, 4)], 50).map(({ usesAll }) => usesAll)).toEqual([false, false])
  })
})

describe('groups with shares', () => {
  it.each<[string, readonly GroupHealth[], number, readonly number[]]>([
    ['each takes its share', [rank(2, 2, 70), rank(5, 5, 30)], 0, [70, 30]],
    ['a group without anybody leaves its share to the others', [rank(0, 2, 70), rank(5, 5, 30)], 0, [0, 100]],
    ['a group with half of its members gives up a part', [rank(1, 2, 50), rank(4, 4, 50)], 0, [41, 59]],
    ['in a panic all have their share', [rank(0, 2, 70), rank(1, 2, 30)], 50, [70, 30]],
  ])('%s', (_, groups, threshold, expected) => {
    expect(loads(spreadByShares(groups, threshold))).toEqual(expected)
  })
})

describe('every spread', () => {
  const groups = fc.array(
    fc.record({ total: fc.nat(20), part: fc.double({ min: 0, max: 1, noNaN: true }), weight: fc.nat(100) }),
    { maxLength: 6 },
  )
  it('makes 1 or nothing, and gives nothing to those who have nobody', () => {
    fc.assert(
      fc.property(groups, fc.nat(100), (list, threshold) => {
        const healths = list.map(({ total, part, weight }) => ({ total, usable: Math.floor(total * part), weight }))
        for (const spread of [spreadOverRanks, spreadByShares]) {
          const found = spread(healths, threshold)
          const sum = found.reduce((total, { load }) => total + load, 0)
          expect(Math.min(Math.abs(sum), Math.abs(sum - 1))).toBeLessThan(1e-9)
          for (const [at, { load, usesAll }] of found.entries()) {
            if (healths[at]!.total === 0 && spread === spreadOverRanks) expect(load).toBe(0)
            if (healths[at]!.usable === 0 && !usesAll) expect(load).toBe(0)
          }
        }
      }),
    )
  })
})
