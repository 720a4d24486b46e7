import { describe, expect, it } from 'vitest'
import { parseIdMap, readKnownIds } from '../../../../src/local/pod-plan/id-maps.ts'

describe('the ids of a user namespace', () => {
  it.each([
    ['         0          0 4294967295\n', [{ first: 0, count: 4_294_967_295 }]],
    ['0 1000 1\n', [{ first: 0, count: 1 }]],
    [
      '0 1000 1\n1 100000 65536\n',
      [
        { first: 0, count: 1 },
        { first: 1, count: 65_536 },
      ],
    ],
    ['', []],
  ])('from %j are %j', (text, ranges) => {
    expect(parseIdMap(text)).toEqual(ranges)
  })

  it('hold the one that this very process has', () => {
    const ids = readKnownIds()
    expect(ids.hasUser(process.getuid?.() ?? 0)).toBe(true)
    expect(ids.hasGroup(process.getgid?.() ?? 0)).toBe(true)
    expect(ids.hasUser(-1)).toBe(false)
  })
})
