import { describe, expect, test } from 'vitest'
import { ruleProblems } from '../../../../../src/local/apiserver/crd/rules/index.ts'
import { validateChange } from '../../../../../src/local/apiserver/crd/structural/index.ts'
import type { Schema } from '../../../../../src/local/apiserver/index.ts'

const schema: Schema = {
  type: 'object',
  properties: {
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      required: ['mode'],
      properties: {
        mode: { type: 'string', enum: ['A', 'B'] },
        size: { type: 'integer', maximum: 5 },
        list: { type: 'array', items: { type: 'integer', maximum: 5 } },
      },
    },
  },
}

describe('an object that a stricter definition finds', () => {
  const old = { metadata: {}, spec: { mode: 'C', size: 9, list: [9] } }
  const rows: readonly [string, object, readonly string[]][] = [
    ['can get a label', { ...old, metadata: { labels: { a: 'b' } } }, []],
    ['can be put right in one field', { ...old, spec: { ...old.spec, size: 5 } }, []],
    ['cannot be made worse', { ...old, spec: { ...old.spec, size: 10 } }, ['spec.size']],
    ['cannot lose what it must have', { ...old, spec: { size: 9, list: [9] } }, ['spec.mode']],
    ['has its list judged as a whole', { ...old, spec: { ...old.spec, list: [9, 1] } }, ['spec.list[0]']],
  ]
  test.each(rows)('%s', (_, value, expected) => {
    expect(validateChange(value, old, schema).map(({ field }) => field)).toEqual(expected)
  })

  test('is judged in full when it is new', () => {
    expect(validateChange(old, undefined, schema).map(({ field }) => field)).toEqual([
      'spec.mode',
      'spec.size',
      'spec.list[0]',
    ])
  })
})

describe('a rule that an old object breaks', () => {
  const ruled: Schema = {
    type: 'object',
    properties: {
      a: {
        type: 'object',
        properties: { n: { type: 'integer' } },
        'x-kubernetes-validations': [{ rule: 'self.n < 5' }],
      },
      b: { type: 'object', 'x-kubernetes-validations': [{ rule: 'self != oldSelf', message: 'must change' }] },
    },
  }
  test('is not held against a change elsewhere', () => {
    expect(ruleProblems({ a: { n: 9 }, c: 1 }, { a: { n: 9 } }, ruled)).toEqual([])
    expect(ruleProblems({ a: { n: 8 } }, { a: { n: 9 } }, ruled)).toHaveLength(1)
  })

  test('counts when it compares with the object before', () => {
    expect(ruleProblems({ b: {} }, { b: {} }, ruled)).toHaveLength(1)
  })
})
