import { describe, expect, test } from 'vitest'
import { validateValue } from '../../../../../src/local/apiserver/crd/structural/index.ts'
import type { Schema } from '../../../../../src/local/apiserver/schema/types.ts'

/** One line a problem, as a user reads it behind `is invalid:`. */
function told(value: unknown, schema: Schema): readonly string[] {
  return validateValue(value, schema).map(({ field, problem }) => (field === '' ? problem : `${field}: ${problem}`))
}

const text: Schema = { type: 'string' }
const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
})

describe('a value is told wrong in the words of Kubernetes', () => {
  const rows: readonly [string, Schema, unknown, readonly string[]][] = [
    [
      'a required field that is missing',
      object({ spec: object({ hosts: { type: 'array', items: text } }, { required: ['hosts'] }) }),
      { spec: {} },
      ['spec.hosts: Required value'],
    ],
    [
      'a value of another type',
      object({ spec: object({ hosts: { type: 'array', items: text } }) }),
      { spec: { hosts: 'reviews' } },
      ['spec.hosts: Invalid value: "string": spec.hosts in body must be of type array: "string"'],
    ],
    [
      'a null where none is allowed',
      object({ a: text }),
      { a: null },
      ['a: Invalid value: "null": a in body must be of type string: "null"'],
    ],
    ['a null where it is allowed', object({ a: { ...text, nullable: true } }), { a: null }, []],
    ['a whole number where any number may stand', object({ a: { type: 'number' } }), { a: 1 }, []],
    [
      'a fraction where a whole number must stand',
      object({ a: { type: 'integer' } }),
      { a: 1.5 },
      ['a: Invalid value: "number": a in body must be of type integer: "number"'],
    ],
    [
      'a value that is not in the list',
      object({ mode: { type: 'string', enum: ['STRICT', 'PERMISSIVE'] } }),
      { mode: 'STRCT' },
      ['mode: Unsupported value: "STRCT": supported values: "STRICT", "PERMISSIVE"'],
    ],
    [
      'a text against its pattern',
      object({ a: { ...text, pattern: '^[a-z]+$' } }),
      { a: 'A' },
      [`a: Invalid value: "A": a in body should match '^[a-z]+$'`],
    ],
    [
      'an empty text',
      object({ a: { ...text, minLength: 1 } }),
      { a: '' },
      ['a: Invalid value: "": a in body should be at least 1 chars long'],
    ],
    [
      'a text that is too long',
      object({ a: { ...text, maxLength: 2 } }),
      { a: 'abc' },
      ['a: Too long: may not be more than 2 bytes'],
    ],
    [
      'a text of as many signs as allowed, although of more code units',
      object({ a: { ...text, maxLength: 2 } }),
      { a: '🙂🙂' },
      [],
    ],
    [
      'a number out of its range',
      object({ a: { type: 'integer', minimum: 1 }, b: { type: 'integer', maximum: 5, exclusiveMaximum: true } }),
      { a: 0, b: 5 },
      [
        'a: Invalid value: 0: a in body should be greater than or equal to 1',
        'b: Invalid value: 5: b in body should be less than 5',
      ],
    ],
    ['a multiple in decimals', object({ a: { type: 'number', multipleOf: 0.1 } }), { a: 0.3 }, []],
    [
      'too few and too many items',
      object({ a: { type: 'array', items: text, minItems: 1 }, b: { type: 'array', items: text, maxItems: 1 } }),
      { a: [], b: ['x', 'y'] },
      ['a: Invalid value: 0: a in body should have at least 1 items', 'b: Too many: 2: must have at most 1 items'],
    ],
    [
      'a wrong item, by its number',
      object({ a: { type: 'array', items: object({ port: { type: 'integer' } }) } }),
      { a: [{ port: 1 }, { port: 'x' }] },
      ['a[1].port: Invalid value: "string": a[1].port in body must be of type integer: "string"'],
    ],
    [
      'a wrong value of a map, by its key',
      object({ labels: { type: 'object', additionalProperties: text } }),
      { labels: { app: 1 } },
      ['labels.app: Invalid value: "integer": labels.app in body must be of type string: "integer"'],
    ],
    [
      'an item that stands twice in a set',
      object({ a: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' } }),
      { a: ['x', 'y', 'x'] },
      ['a[2]: Duplicate value: "x"'],
    ],
    [
      'two items of a map with the same keys',
      object({
        a: {
          type: 'array',
          items: object({ name: text, port: { type: 'integer' } }),
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
        },
      }),
      {
        a: [
          { name: 'x', port: 1 },
          { port: 2, name: 'x' },
        ],
      },
      ['a[1]: Duplicate value: {"name":"x"}'],
    ],
    ['a number or a text', object({ a: { 'x-kubernetes-int-or-string': true } }), { a: 'http' }, []],
    [
      'a boolean where a number or a text must stand',
      object({ a: { 'x-kubernetes-int-or-string': true } }),
      { a: true },
      ['a: Invalid value: "boolean": a in body must be of type integer,string: "boolean"'],
    ],
    [
      'none of the alternatives',
      object({ a: object({ x: text, y: text }, { oneOf: [{ required: ['x'] }, { required: ['y'] }] }) }),
      { a: {} },
      ['a: Invalid value: {}: a in body must validate one and only one schema (oneOf). Found none valid'],
    ],
    [
      'two of the alternatives',
      object({ a: object({ x: text, y: text }, { oneOf: [{ required: ['x'] }, { required: ['y'] }] }) }),
      { a: { x: '', y: '' } },
      [
        'a: Invalid value: {"x":"","y":""}: a in body must validate one and only one schema (oneOf). Found 2 valid alternatives',
      ],
    ],
    [
      'a union that says "neither, or one" as Istio writes it',
      object({
        a: object(
          { x: text, y: text },
          {
            oneOf: [
              { not: { anyOf: [{ required: ['x'] }, { required: ['y'] }] } },
              { required: ['x'] },
              { required: ['y'] },
            ],
          },
        ),
      }),
      { a: {} },
      [],
    ],
    [
      'a value that must not be so',
      object({ a: { ...text, not: { enum: ['none'] } } }),
      { a: 'none' },
      ['a: Invalid value: "none": a in body must not validate the schema (not)'],
    ],
    [
      'an embedded object without a kind',
      object({
        a: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      }),
      { a: { apiVersion: 'v1' } },
      ['a.kind: Required value: must not be empty'],
    ],
    [
      'a field called like a part of JavaScript',
      object({}, { required: ['constructor'] }),
      {},
      ['constructor: Required value'],
    ],
  ]
  test.each(rows)('%s', (_, schema, value, expected) => {
    expect(told(value, schema)).toEqual(expected)
  })
})

describe('a format', () => {
  const rows: readonly [string, readonly string[], readonly string[]][] = [
    ['date-time', ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123456+01:00'], ['2026-01-02', 'soon']],
    ['duration', ['1h30m', '1.5s', '0', '-2ms'], ['10', '1 h', '', 's']],
    ['hostname', ['a.example.com', 'a.'], ['-a', 'a..b', 'a_b']],
    ['ipv4', ['10.0.0.1'], ['10.0.0', '::1']],
    ['ipv6', ['::1'], ['10.0.0.1']],
    ['cidr', ['10.0.0.0/8', 'fd00::/64'], ['10.0.0.0', '10.0.0.0/33', '::/129']],
    ['uri', ['https://example.com/x'], ['example.com']],
    ['email', ['a@b.example'], ['a@', 'a b@c']],
    ['uuid', ['a3bb189e-8bf9-3888-9912-ace4e6543002'], ['a3bb189e']],
    ['byte', ['', 'aGk='], ['a', 'a===']],
    ['mac', ['01:02:03:04:05:ff'], ['01:02:03:04:05']],
    ['not-known-to-anyone', ['whatever'], []],
  ]
  test.each(rows)('%s takes and refuses', (format, good, bad) => {
    const schema: Schema = { type: 'string', format }
    expect(good.filter((value) => validateValue(value, schema).length > 0)).toEqual([])
    expect(bad.filter((value) => validateValue(value, schema).length === 0)).toEqual([])
  })

  test('int32 is a range', () => {
    expect(told(2 ** 31, { type: 'integer', format: 'int32' })).toHaveLength(1)
    expect(told(2 ** 31 - 1, { type: 'integer', format: 'int32' })).toEqual([])
  })
})

test('a pattern that would take a backtracking engine for ever ends at once', () => {
  const schema: Schema = { type: 'string', pattern: '(a+)+$' }
  expect(told(`${'a'.repeat(5_000)}!`, schema)).toHaveLength(1)
})

test('the list of problems ends at a hundred', () => {
  const schema: Schema = { type: 'array', items: text }
  expect(validateValue(new Array(5_000).fill(1), schema).length).toBeLessThanOrEqual(100)
})
