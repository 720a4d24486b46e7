import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { prune, unknownFields, withDefaults } from '../../../../../src/local/apiserver/crd/structural/index.ts'
import type { Schema } from '../../../../../src/local/apiserver/schema/types.ts'

const route: Schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        hosts: { type: 'array', items: { type: 'string' } },
        http: {
          type: 'array',
          items: {
            type: 'object',
            properties: { name: { type: 'string' }, weight: { type: 'integer', default: 1 } },
          },
        },
        labels: { type: 'object', additionalProperties: { type: 'object', properties: { a: { type: 'string' } } } },
        free: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { known: { type: 'object', properties: { a: { type: 'string' } } } },
        },
        template: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
        mode: { type: 'string', default: 'PERMISSIVE' },
        limit: { type: 'integer', nullable: true, default: 5 },
      },
    },
  },
}
const whole = { apiVersion: 'x/v1', kind: 'Route', metadata: { name: 'a', anything: true } }

describe('a field that no schema knows', () => {
  const rows: readonly [string, object, readonly string[]][] = [
    ['nothing is unknown', { spec: { hosts: ['a'] } }, []],
    ['at the top', { specc: {} }, ['specc']],
    ['deep in a list', { spec: { http: [{ name: 'a' }, { nmae: 'b' }] } }, ['spec.http[1].nmae']],
    ['in a value of a map', { spec: { labels: { x: { a: '', b: '' } } } }, ['spec.labels.x.b']],
    ['not where fields are free', { spec: { free: { b: { c: 1 } } } }, []],
    ['in a named field of where fields are free', { spec: { free: { known: { b: 1 } } } }, ['spec.free.known.b']],
    [
      'in an embedded object, but not its own kind and metadata',
      { spec: { template: { apiVersion: 'v1', kind: 'Pod', metadata: { x: 1 }, spex: {} } } },
      ['spec.template.spex'],
    ],
    ['called like a part of JavaScript', JSON.parse('{"spec": {"__proto__": {"polluted": true}}}'), ['spec.__proto__']],
  ]
  test.each(rows)('%s', (_, body, unknown) => {
    const object = { ...whole, ...body }
    expect(unknownFields(object, route, true)).toEqual(unknown)
    const pruned = prune(object, route, true)
    expect(unknownFields(pruned, route, true)).toEqual([])
    expect(pruned === object).toBe(unknown.length === 0)
    expect(pruned).toMatchObject(whole)
  })

  test('pruning keeps what is known and never invents', () => {
    fc.assert(
      fc.property(
        fc.object({ maxDepth: 4, key: fc.constantFrom('spec', 'hosts', 'http', 'name', 'free', 'x') }),
        (value) => {
          const once = prune(value, route, true)
          expect(prune(once, route, true)).toBe(once)
        },
      ),
    )
  })
})

describe('a default', () => {
  const rows: readonly [string, unknown, unknown][] = [
    ['fills what is missing', { spec: {} }, { spec: { mode: 'PERMISSIVE', limit: 5 } }],
    ['is not made for an object that is missing itself', {}, {}],
    ['leaves what is written', { spec: { mode: 'STRICT', limit: 1 } }, { spec: { mode: 'STRICT', limit: 1 } }],
    [
      'fills items',
      { spec: { mode: '', limit: 0, http: [{}] } },
      { spec: { mode: '', limit: 0, http: [{ weight: 1 }] } },
    ],
    [
      'takes the place of a null that is not allowed',
      { spec: { mode: null, limit: 1 } },
      { spec: { mode: 'PERMISSIVE', limit: 1 } },
    ],
    ['leaves a null that is allowed', { spec: { mode: '', limit: null } }, { spec: { mode: '', limit: null } }],
    ['a null without default goes', { spec: { hosts: null, mode: '', limit: 1 } }, { spec: { mode: '', limit: 1 } }],
  ]
  test.each(rows)('%s', (_, before, after) => {
    expect(withDefaults(before, route)).toEqual(after)
  })

  test('nothing missing is the same value', () => {
    const value = { spec: { mode: '', limit: 1, http: [{ weight: 2 }] } }
    expect(withDefaults(value, route)).toBe(value)
  })

  test('defaults lie within defaults', () => {
    const schema: Schema = {
      type: 'object',
      properties: { a: { type: 'object', default: {}, properties: { b: { type: 'integer', default: 3 } } } },
    }
    expect(withDefaults({}, schema)).toEqual({ a: { b: 3 } })
  })
})
