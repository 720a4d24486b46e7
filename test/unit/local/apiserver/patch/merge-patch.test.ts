import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isEqualJson } from '../../../../../src/local/apiserver/objects/json-equal.ts'
import { mergePatch } from '../../../../../src/local/apiserver/patch/merge-patch.ts'

// The examples of RFC 7396, appendix A.
test.each<[unknown, unknown, unknown]>([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j merged with %j is %j', (target, patch, expected) => {
  expect(mergePatch(target, patch)).toEqual(expected)
})

test('a field called __proto__ is merged like any other', () => {
  const patched = mergePatch({}, JSON.parse('{"__proto__": {"polluted": 1}}')) as object
  expect(Object.getPrototypeOf(patched)).toBe(Object.prototype)
  expect(JSON.stringify(patched)).toBe('{"__proto__":{"polluted":1}}')
})

test('merging the same twice changes nothing, and no null is made', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
      const once = mergePatch(target, patch)
      expect(isEqualJson(mergePatch(once, patch), once)).toBe(true)
    }),
  )
})
