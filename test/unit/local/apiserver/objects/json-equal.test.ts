import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isEqualJson } from '../../../../../src/local/apiserver/objects/json-equal.ts'

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)

describe('equality of JSON', () => {
  it('is that of the values, whatever the order of keys', () => {
    fc.assert(fc.property(json, json, (a, b) => isEqualJson(a, b) === isDeepStrictEqual(a, b)))
    expect(isEqualJson({ a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 })).toBe(true)
  })

  it.each<[unknown, unknown, boolean]>([
    [{ a: undefined }, {}, true],
    [{ a: null }, {}, false],
    [{ a: undefined, b: 1 }, { b: 1, c: 1 }, false],
    [[], {}, false],
    [[1, 2], [2, 1], false],
    [{ toString: 1 }, {}, false],
  ])('of %j and %j is %j', (a, b, isEqual) => {
    expect([isEqualJson(a, b), isEqualJson(b, a)]).toEqual([isEqual, isEqual])
  })
})
