import { expect, test } from 'vitest'
import { applyPatch } from '../../../../../src/local/apiserver/patch/index.ts'
import type { ApiObject, ResourceDefinition, VersionDefinition } from '../../../../../src/local/apiserver/types.ts'
import { deploymentSchema } from '../../../../support/kube-schemas.ts'

const current: ApiObject = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd', finalizers: ['a'] } }
const version = { name: 'v1', schema: deploymentSchema } as unknown as VersionDefinition
const builtin = { origin: 'builtin' } as unknown as ResourceDefinition
const custom = { origin: 'custom' } as unknown as ResourceDefinition
const run = (kind: Parameters<typeof applyPatch>[0], body: unknown, definition = builtin): unknown =>
  applyPatch(kind, current, body, definition, version)

const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)

test('each kind of patch gives the patched object', () => {
  const labelled = { ...current, metadata: { ...current.metadata, labels: { a: '1' } } }
  const merge = { metadata: { labels: { a: '1' } } }
  expect(run('json', [{ op: 'add', path: '/metadata/labels', value: { a: '1' } }])).toEqual({
    kind: 'patched',
    object: labelled,
  })
  expect(run('merge', merge)).toEqual({ kind: 'patched', object: labelled })
  expect(run('strategic', merge)).toEqual({ kind: 'patched', object: labelled })
})

test('metadata merges by its own rules, whatever the schema says of it', () => {
  expect(run('strategic', { metadata: { finalizers: ['b'] } })).toMatchObject({
    object: { metadata: { finalizers: ['b', 'a'] } },
  })
})

test.each<[string, unknown, Parameters<typeof run>]>([
  ['a custom resource takes no strategic patch', 'malformed', ['strategic', {}, custom]],
  ['a merge patch is an object', 'malformed', ['merge', []]],
  ['a strategic patch is an object', 'malformed', ['strategic', 'x']],
  ['a JSON patch is a list', 'malformed', ['json', {}]],
  ['a failed test is no bad request', 'inapplicable', ['json', [{ op: 'test', path: '/kind', value: 'Pod' }]]],
  ['an object stays an object', 'inapplicable', ['json', [{ op: 'replace', path: '', value: 1 }]]],
  ['nothing is nested without end', 'malformed', ['merge', nested(200)]],
  [
    'no object grows deeper by one patch after the other',
    'inapplicable',
    [
      'json',
      [
        { op: 'add', path: '/spec', value: nested(100) },
        { op: 'add', path: `/spec${'/a'.repeat(100)}`, value: nested(100) },
      ],
    ],
  ],
])('%s', (_name, kind, args) => {
  expect(run(...args)).toMatchObject({ kind })
})
