import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { duplicateKeys } from '../../../../../src/local/apiserver/http/duplicate-keys.ts'

describe('keys that come twice', () => {
  it.each<[string, string[]]>([
    ['{"a":1,"b":2}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"a":{"b":1,"b":2,"b":3}}', ['a.b', 'a.b']],
    ['{"a":[{"x":1},{"x":1,"x":2}],"a":0}', ['a[1].x', 'a']],
    ['{"a":"{\\"a\\":1,\\"a\\":2}","b":["a","a","b"]}', []],
    ['{"a\\u0062":1,"ab":2}', ['ab']],
    ['{"a": [[], {}, {"b" : {} , "b" : [] }] }', ['a[2].b']],
    ['"a"', []],
    ['{"__proto__":1,"__proto__":2}', ['__proto__']],
  ])('of %s are %j', (text, found) => {
    expect(duplicateKeys(text)).toEqual(found)
  })

  it('are none in whatever was written by JSON.stringify', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => duplicateKeys(JSON.stringify(value, null, 1)).length === 0))
  })
})
