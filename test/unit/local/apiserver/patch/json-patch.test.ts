import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonPatch } from '../../../../../src/local/apiserver/patch/json-patch.ts'
import { formatPointer, parsePointer } from '../../../../../src/local/apiserver/patch/json-pointer.ts'

const doc = { a: 1, list: [1, 2, 3], deep: { x: { y: 'z' } }, 'a/b': 1, 'm~n': 2, '': 0, none: null }

describe('operations', () => {
  test.each<[string, unknown, unknown]>([
    ['add to an object', [{ op: 'add', path: '/b', value: 2 }], { ...doc, b: 2 }],
    ['add over a field', [{ op: 'add', path: '/a', value: [] }], { ...doc, a: [] }],
    ['add before an item', [{ op: 'add', path: '/list/1', value: 9 }], { ...doc, list: [1, 9, 2, 3] }],
    ['add at the end by number', [{ op: 'add', path: '/list/3', value: 9 }], { ...doc, list: [1, 2, 3, 9] }],
    ['add at the end by "-"', [{ op: 'add', path: '/list/-', value: 9 }], { ...doc, list: [1, 2, 3, 9] }],
    ['remove an item', [{ op: 'remove', path: '/list/0' }], { ...doc, list: [2, 3] }],
    ['replace inside', [{ op: 'replace', path: '/deep/x/y', value: null }], { ...doc, deep: { x: { y: null } } }],
    ['replace an item', [{ op: 'replace', path: '/list/2', value: 'c' }], { ...doc, list: [1, 2, 'c'] }],
    ['replace all', [{ op: 'replace', path: '', value: { new: true } }], { new: true }],
    ['move a field', [{ op: 'move', from: '/deep/x', path: '/moved' }], { ...doc, deep: {}, moved: { y: 'z' } }],
    ['move within a list', [{ op: 'move', from: '/list/0', path: '/list/2' }], { ...doc, list: [2, 3, 1] }],
    ['move onto itself', [{ op: 'move', from: '/a', path: '/a' }], doc],
    ['copy', [{ op: 'copy', from: '/deep/x', path: '/list/-' }], { ...doc, list: [1, 2, 3, { y: 'z' }] }],
    [
      'escaped names',
      [
        { op: 'replace', path: '/a~1b', value: 2 },
        { op: 'remove', path: '/m~0n' },
        { op: 'remove', path: '/' },
      ],
      { a: 1, list: [1, 2, 3], deep: { x: { y: 'z' } }, 'a/b': 2, none: null },
    ],
    [
      'test, in any order of fields',
      [{ op: 'test', path: '', value: Object.fromEntries(Object.entries(doc).reverse()) }],
      doc,
    ],
    ['test of null', [{ op: 'test', path: '/none', value: null }], doc],
    [
      'later operations see earlier ones',
      [
        { op: 'add', path: '/n', value: {} },
        { op: 'add', path: '/n/o', value: 1 },
      ],
      { ...doc, n: { o: 1 } },
    ],
  ])('%s', (_name, patch, expected) => {
    const before = structuredClone(doc)
    expect(jsonPatch(doc, patch)).toEqual(expected)
    expect(doc).toEqual(before)
  })

  test('a copy is a value of its own', () => {
    const patch = [
      { op: 'copy', from: '/deep', path: '/twin' },
      { op: 'add', path: '/twin/only', value: 1 },
    ]
    expect(jsonPatch(doc, patch)).toMatchObject({ deep: { x: { y: 'z' } }, twin: { only: 1 } })
    expect((jsonPatch(doc, patch) as typeof doc).deep).not.toHaveProperty('only')
  })

  test('a field called __proto__ is a field', () => {
    const patched = jsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]) as object
    expect(Object.getPrototypeOf(patched)).toBe(Object.prototype)
    expect(JSON.stringify(patched)).toBe('{"__proto__":{"polluted":true}}')
  })
})

describe('what does not fit the object is refused as a whole', () => {
  test.each<[string, unknown, RegExp]>([
    ['a test that fails', [{ op: 'test', path: '/a', value: 2 }], /testing value \/a failed/],
    ['a test of nothing', [{ op: 'test', path: '/zzz', value: null }], /\/zzz is not there/],
    ['remove of nothing', [{ op: 'remove', path: '/zzz' }], /\/zzz is not there/],
    ['replace of nothing', [{ op: 'replace', path: '/zzz', value: 1 }], /\/zzz is not there/],
    ['add below nothing', [{ op: 'add', path: '/zzz/y', value: 1 }], /\/zzz is not there/],
    ['add below a text', [{ op: 'add', path: '/a/y', value: 1 }], /\/a\/y is not there/],
    ['add behind the end', [{ op: 'add', path: '/list/4', value: 1 }], /\/list\/4 is not there/],
    ['an index with a leading zero', [{ op: 'remove', path: '/list/01' }], /\/list\/01 is not there/],
    ['a negative index', [{ op: 'remove', path: '/list/-1' }], /is not there/],
    ['remove of "-"', [{ op: 'remove', path: '/list/-' }], /is not there/],
    ['a field of every JavaScript object', [{ op: 'test', path: '/constructor', value: {} }], /is not there/],
    ['a move into itself', [{ op: 'move', from: '/deep', path: '/deep/x/here' }], /moved into itself/],
    [
      'copies that double without end',
      [
        { op: 'add', path: '/c', value: [1, 2, 3] },
        ...Array.from({ length: 40 }, () => ({ op: 'copy', from: '/c', path: '/c/-' })),
      ],
      /copies of this patch/,
    ],
  ])('%s', (_name, patch, problem) => {
    expect(() => jsonPatch(doc, patch)).toThrow(problem)
    expect(() => jsonPatch(doc, patch)).toThrow(
      expect.objectContaining({ status: expect.objectContaining({ code: 422 }) }),
    )
  })
})

describe('what is no patch is a bad request', () => {
  test.each<[string, unknown, RegExp]>([
    ['an object', {}, /list of operations/],
    ['a list of texts', ['add'], /operation 0 is no object/],
    ['an unknown operation', [{ op: 'merge', path: '/a' }], /unknown "op": "merge"/],
    ['no path', [{ op: 'remove' }], /no "path"/],
    ['no value', [{ op: 'add', path: '/a' }], /no "value"/],
    ['no from', [{ op: 'move', path: '/a' }], /no "from"/],
    ['a path without a slash', [{ op: 'remove', path: 'a' }], /no JSON pointer/],
    ['a wrong escape', [{ op: 'remove', path: '/a~2' }], /no JSON pointer/],
    [
      'too many operations',
      Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: 1 })),
      /at most 10000/,
    ],
    ['a path that is too long', [{ op: 'remove', path: '/a'.repeat(200) }], /more than 128 steps/],
  ])('%s', (_name, patch, problem) => {
    expect(() => jsonPatch(doc, patch)).toThrow(problem)
    expect(() => jsonPatch(doc, patch)).toThrow(
      expect.objectContaining({ status: expect.objectContaining({ code: 400 }) }),
    )
  })
})

test('pointers come back as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 8 }), (steps) => {
      expect(parsePointer(formatPointer(steps))).toEqual(steps)
    }),
  )
})

test('removing everything that was there and adding something else gives the other object', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 }) as fc.Arbitrary<Record<string, unknown>>
  fc.assert(
    fc.property(object, object, (from, to) => {
      const patch = [
        ...Object.keys(from).map((key) => ({ op: 'remove', path: formatPointer([key]) })),
        ...Object.entries(to).map(([key, value]) => ({ op: 'add', path: formatPointer([key]), value })),
        { op: 'test', path: '', value: to },
      ]
      expect(JSON.stringify(jsonPatch(from, patch))).toBe(JSON.stringify(structuredClone(to)))
    }),
  )
})

test('whatever the patch, it is applied or refused by an answer', () => {
  const path = fc.constantFrom('', '/', '/a', '/a/0', '/a/-', '/a/b', '/b', '/b/c', 'x')
  const operation = fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
    path,
    from: path,
    value: fc.jsonValue(),
  })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (patch) => {
      try {
        jsonPatch({ a: [1], b: { c: {} } }, patch)
      } catch (error) {
        expect(error).toHaveProperty('status.code')
      }
    }),
  )
})
