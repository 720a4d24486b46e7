import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { strategicPatch } from '../../../../../src/local/apiserver/patch/strategic-patch.ts'
import type { Schema } from '../../../../../src/local/apiserver/schema/index.ts'
import { deploymentSchema } from '../../../../support/kube-schemas.ts'

type Json = Readonly<Record<string, unknown>>

const podSchema = deploymentSchema.properties?.spec?.properties?.template?.properties?.spec as Schema
const patchPod = (target: Json, patch: Json): Json => strategicPatch(target, patch, podSchema)
const containers = (...items: Json[]): Json => ({ containers: items })

describe('lists with a merge key', () => {
  const two = containers({ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b', image: '2' })

  test.each<[string, Json, Json]>([
    [
      'an item is merged with the one of its key',
      containers({ name: 'a', image: '9' }),
      containers({ name: 'a', image: '9', env: [{ name: 'X', value: '1' }] }, { name: 'b', image: '2' }),
    ],
    [
      'an item with a new key is added, in front like in Kubernetes',
      containers({ name: 'c' }),
      containers({ name: 'c' }, { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b', image: '2' }),
    ],
    [
      'an item is deleted by its key',
      containers({ name: 'a', $patch: 'delete' }),
      containers({ name: 'b', image: '2' }),
    ],
    ['deleting what is not there is fine', containers({ name: 'zzz', $patch: 'delete' }), two],
    [
      'the list is replaced',
      containers({ name: 'c', image: '3' }, { $patch: 'replace' }),
      containers({ name: 'c', image: '3' }),
    ],
    [
      'an item is replaced, when its own directive says so',
      { $setElementOrder: undefined, containers: [{ name: 'b', env: [{ $patch: 'replace' }, { name: 'Y' }] }] },
      containers(
        { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] },
        { name: 'b', image: '2', env: [{ name: 'Y' }] },
      ),
    ],
    [
      'the order is set',
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      containers({ name: 'b', image: '2' }, { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }),
    ],
    [
      'a new item comes where the order puts it',
      { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }], containers: [{ name: 'c' }] },
      containers({ name: 'c' }, { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b', image: '2' }),
    ],
    [
      'inner lists are merged too',
      containers({
        name: 'a',
        env: [
          { name: 'X', $patch: 'delete' },
          { name: 'Z', value: '3' },
        ],
      }),
      containers({ name: 'a', image: '1', env: [{ name: 'Z', value: '3' }] }, { name: 'b', image: '2' }),
    ],
    [
      'a null removes a field of an item',
      containers({ name: 'a', env: null }),
      containers({ name: 'a', image: '1' }, { name: 'b', image: '2' }),
    ],
    ['a null removes the list', { containers: null }, {}],
  ])('%s', (_name, patch, expected) => {
    expect(patchPod(two, patch)).toEqual(expected)
  })
})

describe('directives', () => {
  test.each<[string, Json, Json, Json]>([
    [
      'an atomic list is replaced',
      { tolerations: [{ key: 'a' }] },
      { tolerations: [{ key: 'b' }] },
      { tolerations: [{ key: 'b' }] },
    ],
    [
      'an object is replaced',
      { nodeSelector: { a: '1' } },
      { nodeSelector: { $patch: 'replace', b: '2' } },
      { nodeSelector: { b: '2' } },
    ],
    [
      'an object is emptied',
      { nodeSelector: { a: '1' } },
      { nodeSelector: { $patch: 'delete' } },
      { nodeSelector: {} },
    ],
    ['deleting what is not there leaves nothing', {}, { nodeSelector: { $patch: 'delete' } }, {}],
    [
      'merge is the default',
      { nodeSelector: { a: '1' } },
      { nodeSelector: { $patch: 'merge', b: '2' } },
      { nodeSelector: { a: '1', b: '2' } },
    ],
    [
      'retainKeys clears the other kinds of a volume',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'c' } }] },
      { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
    ],
    [
      'no directive stays in what is new',
      {},
      {
        volumes: [{ name: 'v', $retainKeys: ['name', 'emptyDir'], emptyDir: { $patch: 'replace', medium: 'Memory' } }],
      },
      { volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] },
    ],
    [
      'unknown lists are replaced, unknown objects merged',
      { x: { a: 1, l: [1] } },
      { x: { l: [2] } },
      { x: { a: 1, l: [2] } },
    ],
  ])('%s', (_name, target, patch, expected) => {
    expect(patchPod(target, patch)).toEqual(expected)
  })

  test('values of a list that is a set are added and deleted', () => {
    const schema: Schema = {
      type: 'object',
      properties: { finalizers: { type: 'array', items: { type: 'string' }, 'x-kubernetes-patch-strategy': 'merge' } },
    }
    const target = { finalizers: ['a', 'b'] }
    expect(strategicPatch(target, { finalizers: ['c', 'a'] }, schema)).toEqual({ finalizers: ['c', 'a', 'b'] })
    expect(strategicPatch(target, { '$deleteFromPrimitiveList/finalizers': ['a'] }, schema)).toEqual({
      finalizers: ['b'],
    })
    expect(strategicPatch(target, { '$setElementOrder/finalizers': ['b', 'a'] }, schema)).toEqual({
      finalizers: ['b', 'a'],
    })
    expect(strategicPatch({}, { '$deleteFromPrimitiveList/finalizers': ['a'] }, schema)).toEqual({})
  })

  test.each<[string, Json, RegExp]>([
    ['an item without its key', containers({ image: 'x' }), /does not contain declared merge key: name/],
    ['an item that is no object', { containers: ['a'] }, /merged by name is no object/],
    ['an unknown directive', { nodeSelector: { $patch: 'shuffle' } }, /unknown patch type found: "shuffle"/],
    ['an unknown directive of an item', containers({ name: 'a', $patch: 'x' }), /unknown patch type found: "x"/],
    ['an order that is no list', { '$setElementOrder/containers': 'a' }, /is no list/],
    [
      'an order that misses an item',
      { '$setElementOrder/containers': [{ name: 'b' }], containers: [{ name: 'a' }] },
      /doesn't match \$setElementOrder/,
    ],
    [
      'retainKeys that miss a field',
      { volumes: [{ name: 'v', $retainKeys: ['name'], emptyDir: {} }] },
      /not named by its \$retainKeys/,
    ],
  ])('%s is refused', (_name, patch, problem) => {
    const target = { containers: [{ name: 'a' }], volumes: [{ name: 'v' }], nodeSelector: { a: '1' } }
    expect(() => patchPod(target, patch)).toThrow(problem)
  })
})

test('patches are merged as the reference implementation merged them (recorded)', () => {
  const file = new URL('../../../../golden/strategic-merge.json', import.meta.url)
  const cases = JSON.parse(readFileSync(file, 'utf8')) as { original: Json; patch: Json; result: Json }[]
  expect(cases.length).toBeGreaterThan(50)
  const schema: Schema = {
    ...deploymentSchema,
    properties: { ...deploymentSchema.properties, metadata: metadataSchema },
  }
  for (const { original, patch, result } of cases) expect(strategicPatch(original, patch, schema)).toEqual(result)
})

const metadataSchema: Schema = {
  type: 'object',
  properties: { finalizers: { type: 'array', items: { type: 'string' }, 'x-kubernetes-patch-strategy': 'merge' } },
}

describe('against a naive model of keyed lists', () => {
  const env = fc
    .dictionary(fc.constantFrom('A', 'B', 'C', 'D', 'E'), fc.constantFrom('1', '2', '3'))
    .map((values) => Object.entries(values).map(([name, value]) => ({ name, value })))
  const deleted = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D', 'E'))
  const asRecord = (list: unknown): Json =>
    Object.fromEntries((list as { name: string; value: string }[]).map(({ name, value }) => [name, value]))
  const schema = podSchema.properties?.containers?.items as Schema

  test('merging is deleting some keys and setting others', () => {
    fc.assert(
      fc.property(env, env, deleted, (before, set, gone) => {
        const kept = set.filter(({ name }) => !gone.some((one) => one === name))
        const patch = { env: [...gone.map((name) => ({ name, $patch: 'delete' })), ...kept] }
        const model = { ...asRecord(before), ...asRecord(kept) }
        for (const name of gone) delete (model as Record<string, unknown>)[name]
        const { env: result } = strategicPatch({ env: before }, patch, schema)
        expect(asRecord(result)).toEqual(model)
        expect((result as unknown[]).length).toBe(Object.keys(model).length)
      }),
    )
  })

  test('with the order of a new list, its items and the deletion of the old ones the result is the new list', () => {
    fc.assert(
      fc.property(env, env, (before, after) => {
        const gone = before.filter(({ name }) => !after.some((one) => one.name === name))
        const patch = {
          '$setElementOrder/env': after.map(({ name }) => ({ name })),
          env: [...after, ...gone.map(({ name }) => ({ name, $patch: 'delete' }))],
        }
        expect(strategicPatch({ env: before }, patch, schema)).toEqual({ env: after })
      }),
    )
  })
})
