import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { columnsOf } from '../../../../../src/local/apiserver/crd/columns.ts'
import { findAll, parseJsonPath } from '../../../../../src/local/apiserver/crd/json-path.ts'
import { compareVersions } from '../../../../../src/local/apiserver/crd/version-order.ts'

const gateway = {
  metadata: { name: 'a', annotations: { 'a.b/c': 'x' } },
  spec: {
    listeners: [
      { name: 'one', port: 80 },
      { name: 'two', port: 443 },
    ],
  },
  status: {
    addresses: [{ value: '10.0.0.1' }, { value: '10.0.0.2' }],
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'Programmed', status: 'False' },
    ],
  },
}

describe('a path leads to values', () => {
  const rows: readonly [string, readonly unknown[]][] = [
    ['.metadata.name', ['a']],
    ['{.metadata.name}', ['a']],
    ['.metadata.missing.deeper', []],
    [".metadata.annotations['a.b/c']", ['x']],
    ['.metadata.annotations.a\\.b/c', ['x']],
    ['.spec.listeners[0].port', [80]],
    ['.spec.listeners[-1].name', ['two']],
    ['.spec.listeners[5].name', []],
    ['.status.addresses[*].value', ['10.0.0.1', '10.0.0.2']],
    ['.status.conditions[?(@.type=="Programmed")].status', ['False']],
    [".status.conditions[?(@.type=='Accepted')].status", ['True']],
    ['.status.conditions[?(@.type != "Accepted")].type', ['Programmed']],
    ['.spec.listeners[?(@.port>100)].name', ['two']],
    ['.spec.listeners[?(@.port<=80)].name', ['one']],
    ['.spec.listeners[?(@.missing)].name', []],
    ['.spec.listeners[?(@.name)].port', [80, 443]],
  ]
  test.each(rows)('%s', (path, expected) => {
    const steps = parseJsonPath(path)
    expect(steps).toBeDefined()
    expect(findAll(gateway, steps ?? [])).toEqual(expected)
  })

  test.each(['.a[', '.a[?(', '.a..b', '.a[0:2]', 'a b', '.a[?(@.b==)]', `.${'a'.repeat(2_000)}`])(
    '%s is no path',
    (path) => {
      expect(parseJsonPath(path)).toBeUndefined()
    },
  )

  test('whatever the text, reading it ends and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'.[]?(@)*\'"\\a0=<>! -{}$'), maxLength: 60 }), (text) => {
        const path = parseJsonPath(text)
        if (path !== undefined) findAll(gateway, path)
      }),
    )
  })

  test('never to what JavaScript adds to objects', () => {
    expect(findAll({}, parseJsonPath('.constructor.name') ?? [])).toEqual([])
  })
})

describe('a column', () => {
  const cell = (type: 'string' | 'integer' | 'number' | 'boolean' | 'date', value: unknown): unknown => {
    const [column] = columnsOf([{ name: 'x', type, jsonPath: '.v' }])
    return column?.cell({ apiVersion: 'a/v1', kind: 'A', metadata: { name: 'a' }, v: value }, 0)
  }
  test.each([
    ['string', 'a', 'a'],
    ['string', ['a', 'b'], '["a","b"]'],
    ['string', 5, '5'],
    ['string', null, null],
    ['integer', 5, 5],
    ['integer', 'five', null],
    ['boolean', false, false],
    ['date', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
    ['date', 'soon', null],
  ] as const)('of type %s shows %j as %j', (type, value, expected) => {
    expect(cell(type, value)).toEqual(expected)
  })

  test('is the age when a definition names none', () => {
    expect(columnsOf(undefined).map(({ name }) => name)).toEqual(['Age'])
  })
})

test('versions are preferred as Kubernetes prefers them', () => {
  const names = ['v1alpha1', 'v2', 'foo', 'v1', 'v10beta3', 'v11alpha2', 'v1beta1', 'v10', 'bar', 'v1beta2']
  expect(names.sort(compareVersions)).toEqual([
    'v10',
    'v2',
    'v1',
    'v10beta3',
    'v1beta2',
    'v1beta1',
    'v11alpha2',
    'v1alpha1',
    'bar',
    'foo',
  ])
})
