import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { conflictMessage, fieldManagement } from '../../../../../src/local/apiserver/apply/index.ts'
import type { ApiObject, ApplyScope, ManagedFieldsEntry } from '../../../../../src/local/apiserver/types.ts'
import { applyScope } from '../../../../support/apply-scope.ts'

type Json = Record<string, unknown>

const manifest = (spec: Json | undefined, metadata: Json = {}): ApiObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace: 'n', ...metadata },
    ...(spec === undefined ? {} : { spec }),
  }) as ApiObject

/** Applies and must succeed. */
function applied(
  live: ApiObject | undefined,
  by: string,
  body: ApiObject,
  force = false,
  more?: Partial<ApplyScope>,
): ApiObject {
  const outcome = fieldManagement.apply(live, body, applyScope(by, more), force)
  if (outcome.kind !== 'applied') throw new Error(JSON.stringify(outcome))
  return outcome.object
}

/** A write that is no apply, as the server tells of it. */
function updated(live: ApiObject | undefined, by: string, object: ApiObject, more?: Partial<ApplyScope>): ApiObject {
  const managedFields = fieldManagement.track(live, object, applyScope(by, more))
  return { ...object, metadata: { ...object.metadata, managedFields } }
}

function conflictOf(live: ApiObject, by: string, body: ApiObject): string {
  const outcome = fieldManagement.apply(live, body, applyScope(by), false)
  return outcome.kind === 'conflict' ? conflictMessage(outcome.causes) : outcome.kind
}

function fieldsOf(object: ApiObject, manager: string, operation: 'Apply' | 'Update' = 'Apply'): unknown {
  return object.metadata.managedFields?.find((one) => one.manager === manager && one.operation === operation)?.fieldsV1
}

const pod = (...containers: Json[]): Json => ({ template: { spec: { containers } } })

describe('who owns what', () => {
  test('an applier owns the fields of its manifest, by name and by list key, and no more', () => {
    const object = applied(
      undefined,
      'me',
      manifest(
        {
          replicas: 2,
          ...pod({ name: 'a', image: '1', ports: [{ containerPort: 80 }], args: ['x'] }),
        },
        { labels: { app: 'x' }, finalizers: ['f/1'] },
      ),
    )
    expect(object.metadata.managedFields).toEqual([
      {
        manager: 'me',
        operation: 'Apply',
        apiVersion: 'apps/v1',
        time: '2026-01-02T03:04:05Z',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:finalizers': { 'v:"f/1"': {} }, 'f:labels': { 'f:app': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:template': {
              'f:spec': {
                'f:containers': {
                  'k:{"name":"a"}': {
                    '.': {},
                    'f:args': {},
                    'f:image': {},
                    'f:name': {},
                    'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                  },
                },
              },
            },
          },
        },
      },
    ])
  })

  test('a writer that does not apply owns what it changed, and the others lose it', () => {
    const before = applied(undefined, 'me', manifest({ replicas: 1, paused: false }))
    const after = updated(before, 'hpa', { ...before, spec: { replicas: 5, paused: false } })
    expect(fieldsOf(after, 'me')).toEqual({ 'f:spec': { 'f:paused': {} } })
    expect(fieldsOf(after, 'hpa', 'Update')).toEqual({ 'f:spec': { 'f:replicas': {} } })
  })

  test('writing what is there already takes nothing from anybody', () => {
    const before = applied(undefined, 'me', manifest({ replicas: 1 }))
    expect(updated(before, 'other', before).metadata.managedFields).toEqual(before.metadata.managedFields)
  })

  test('an object that was created tells who created it, with the maps that hold the fields', () => {
    const object = updated(undefined, 'kubectl-create', manifest({ replicas: 1 }, { labels: { app: 'x' } }))
    expect(fieldsOf(object, 'kubectl-create', 'Update')).toEqual({
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': { 'f:replicas': {} },
    })
  })

  test('status belongs to who writes it through the subresource', () => {
    const before = applied(undefined, 'me', manifest({ replicas: 1 }))
    const status = { replicas: 1, conditions: [{ type: 'Available', status: 'True' }] }
    const after = updated(before, 'controller', { ...before, status }, { subresource: 'status' })
    expect(after.metadata.managedFields?.find(({ manager }) => manager === 'controller')).toMatchObject({
      subresource: 'status',
      operation: 'Update',
      fieldsV1: {
        'f:status': {
          'f:conditions': { '.': {}, 'k:{"type":"Available"}': { '.': {}, 'f:status': {}, 'f:type': {} } },
          'f:replicas': {},
        },
      },
    })
    expect(fieldsOf(after, 'me')).toEqual(fieldsOf(before, 'me'))
  })

  test('a manifest with a status owns none of it on the main path, and only it on the subresource', () => {
    const body = { ...manifest({ replicas: 1 }), status: { replicas: 1 } }
    expect(fieldsOf(applied(undefined, 'me', body), 'me')).toEqual({ 'f:spec': { 'f:replicas': {} } })
    const live = applied(undefined, 'me', manifest({ replicas: 1 }))
    const after = applied(live, 'controller', { ...body, spec: { replicas: 9 } }, false, { subresource: 'status' })
    expect(after).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 1 } })
    expect(fieldsOf(after, 'controller')).toEqual({ 'f:status': { 'f:replicas': {} } })
  })

  test('two who apply the same share it; when one drops it, it stays', () => {
    const one = applied(undefined, 'a', manifest({ replicas: 3 }))
    const two = applied(one, 'b', manifest({ replicas: 3 }))
    const three = applied(two, 'a', manifest({}))
    expect(three.spec).toEqual({ replicas: 3 })
    expect(applied(three, 'b', manifest(undefined)).spec).toBeUndefined()
  })

  test('who updated too often is told of as one', () => {
    let object = updated(undefined, 'w0', manifest({ replicas: 0 }, { labels: { l0: '' } }))
    for (let i = 1; i < 15; i++) {
      const labels = { ...object.metadata.labels, [`l${i}`]: '' }
      const next = { ...object, metadata: { ...object.metadata, labels } }
      object = updated(object, `w${i}`, next, { nowMs: i * 1000 })
    }
    const managers = object.metadata.managedFields?.map(({ manager }) => manager)
    expect(managers?.length).toBe(10)
    expect(managers).toContain('ancient-changes')
    expect(managers).toContain('w14')
    expect(JSON.stringify(fieldsOf(object, 'ancient-changes', 'Update'))).toContain('f:l1')
  })
})

describe('conflicts', () => {
  const live = applied(
    updated(undefined, 'kubectl-client-side-apply', manifest({ replicas: 3 })),
    'other',
    manifest(pod({ name: 'a', image: '1' })),
  )

  test('a field that somebody else set to another value is named, with its owner', () => {
    expect(conflictOf(live, 'me', manifest({ replicas: 5 }))).toBe(
      'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1 at 2026-01-02T03:04:05Z: .spec.replicas',
    )
    expect(conflictOf(live, 'me', manifest(pod({ name: 'a', image: '2' })))).toBe(
      'Apply failed with 1 conflict: conflict with "other": .spec.template.spec.containers[name="a"].image',
    )
  })

  test('several are listed by owner', () => {
    expect(conflictOf(live, 'me', manifest({ replicas: 5, ...pod({ name: 'a', image: '2' }) }))).toBe(
      [
        'Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1 at 2026-01-02T03:04:05Z:',
        '- .spec.replicas',
        'conflicts with "other":',
        '- .spec.template.spec.containers[name="a"].image',
      ].join('\n'),
    )
  })

  test('each is a cause', () => {
    expect(fieldManagement.apply(live, manifest({ replicas: 5 }), applyScope('me'), false)).toMatchObject({
      kind: 'conflict',
      causes: [{ reason: 'FieldManagerConflict', field: '.spec.replicas' }],
    })
  })

  test('force takes the field, and the value', () => {
    const forced = applied(live, 'me', manifest({ replicas: 5 }), true)
    expect(forced).toMatchObject({ spec: { replicas: 5 } })
    expect(fieldsOf(forced, 'kubectl-client-side-apply', 'Update')).toBeUndefined()
    expect(fieldsOf(forced, 'me')).toEqual({ 'f:spec': { 'f:replicas': {} } })
  })

  test('the same value is no conflict', () => {
    expect(conflictOf(live, 'me', manifest({ replicas: 3 }))).toBe('applied')
  })

  test('an object that was never tracked belongs to before-first-apply', () => {
    expect(conflictOf(manifest({ replicas: 3 }), 'me', manifest({ replicas: 5 }))).toMatch(
      /conflict with "before-first-apply" using apps\/v1: \.spec\.replicas$/,
    )
  })
})

describe('what an applier drops', () => {
  const both = { replicas: 2, ...pod({ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }) }

  test.each<[string, Json | undefined, unknown]>([
    [
      'a field',
      { ...pod({ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }) },
      pod({ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }),
    ],
    ['an item of a list', { replicas: 2, ...pod({ name: 'b' }) }, { replicas: 2, ...pod({ name: 'b' }) }],
    [
      'an item of an inner list',
      { replicas: 2, ...pod({ name: 'a', image: '1' }, { name: 'b' }) },
      { replicas: 2, ...pod({ name: 'a', image: '1' }, { name: 'b' }) },
    ],
    ['everything', undefined, undefined],
  ])('%s goes', (_name, spec, expected) => {
    expect(applied(applied(undefined, 'me', manifest(both)), 'me', manifest(spec)).spec).toEqual(expected)
  })

  test('what others own inside of it stays', () => {
    const live = applied(undefined, 'me', manifest(pod({ name: 'a', image: '1' })))
    const shared = applied(live, 'other', manifest(pod({ name: 'a', env: [{ name: 'X' }] })))
    expect(applied(shared, 'me', manifest({})).spec).toEqual(pod({ name: 'a', env: [{ name: 'X' }] }))
  })

  test('what nobody owns inside of a list item goes with it', () => {
    const live = applied(undefined, 'me', manifest(pod({ name: 'a' }, { name: 'b' })))
    const defaulted = { ...live, spec: pod({ name: 'a', image: 'default' }, { name: 'b', image: 'default' }) }
    expect(applied(defaulted, 'me', manifest(pod({ name: 'b' }))).spec).toEqual(pod({ name: 'b', image: 'default' }))
  })

  test('labels of others stay', () => {
    const live = applied(undefined, 'me', manifest(undefined, { labels: { mine: '1' } }))
    const labelled = updated(live, 'kubectl-label', {
      ...live,
      metadata: { ...live.metadata, labels: { mine: '1', theirs: '2' } },
    })
    expect(applied(labelled, 'me', manifest(undefined)).metadata.labels).toEqual({ theirs: '2' })
  })
})

describe('lists', () => {
  test('new items come behind those of the live list, shared ones in the order of the manifest', () => {
    const live = updated(undefined, 'x', manifest(pod({ name: 'a' }, { name: 'b' }, { name: 'c' })))
    const after = applied(live, 'me', manifest(pod({ name: 'c' }, { name: 'n' }, { name: 'a' })))
    expect(after.spec).toEqual(pod({ name: 'b' }, { name: 'c' }, { name: 'n' }, { name: 'a' }))
  })

  test('an atomic list is one value', () => {
    const tolerations = (...keys: string[]): Json => ({
      template: { spec: { tolerations: keys.map((key) => ({ key })) } },
    })
    const live = applied(undefined, 'a', manifest(tolerations('x')))
    expect(conflictOf(live, 'b', manifest(tolerations('x', 'y')))).toMatch(/\.spec\.template\.spec\.tolerations$/)
    expect(applied(live, 'b', manifest(tolerations('y')), true).spec).toEqual(tolerations('y'))
  })

  test('a manifest that has an item twice, or without its key, is refused by its path', () => {
    expect(
      fieldManagement.apply(undefined, manifest(pod({ name: 'a' }, { name: 'a' })), applyScope('me'), false),
    ).toEqual({
      kind: 'malformed',
      problem: expect.stringMatching(/\.spec\.template\.spec\.containers: duplicate entries for key \{"name":"a"\}/),
    })
    expect(fieldManagement.apply(undefined, manifest(pod({ image: 'a' })), applyScope('me'), false)).toEqual({
      kind: 'malformed',
      problem: expect.stringMatching(/containers: element 0: .*omits key field name/),
    })
  })
})

test('a manifest does not bring managed fields of its own', () => {
  const body = manifest({}, { managedFields: [{ manager: 'x' }] })
  expect(fieldManagement.apply(undefined, body, applyScope('me'), false)).toEqual({
    kind: 'malformed',
    problem: 'metadata.managedFields must be nil',
  })
})

describe('managed fields that clients write', () => {
  const live = updated(undefined, 'kubectl-client-side-apply', manifest({ replicas: 1 }))
  const [entry] = live.metadata.managedFields as readonly [ManagedFieldsEntry]
  const withFields = (managedFields: unknown): ApiObject =>
    ({ ...live, metadata: { ...live.metadata, managedFields } }) as ApiObject

  test('are taken over: kubectl renames its client-side entry to its server-side one', () => {
    const moved = updated(live, 'kubectl-patch', withFields([{ ...entry, manager: 'kubectl', operation: 'Apply' }]))
    expect(moved.metadata.managedFields).toEqual([{ ...entry, manager: 'kubectl', operation: 'Apply' }])
    expect(applied(moved, 'kubectl', manifest({}))).not.toHaveProperty('spec.replicas')
  })

  test.each<[string, unknown]>([
    ['no list at all', undefined],
    ['no entries', [1]],
    ['an unknown operation', [{ ...entry, operation: 'Steal' }]],
    ['fields that are no set', [{ ...entry, fieldsV1: { 'x:y': {} } }]],
    ['fields that are too deep', [{ ...entry, fieldsV1: JSON.parse(`${'{"f:a":'.repeat(200)}{}${'}'.repeat(200)}`) }]],
    ['a time that is none', [{ ...entry, time: 'yesterday' }]],
  ])('are left alone when they are %s', (_name, managedFields) => {
    expect(updated(live, 'x', withFields(managedFields)).metadata.managedFields).toEqual([entry])
  })

  test.each([[[]], [[{}]]])('%j forgets all', (managedFields) => {
    const forgotten = updated(live, 'x', withFields(managedFields))
    expect(forgotten.metadata.managedFields).toEqual([])
    const later = updated(forgotten, 'y', { ...forgotten, spec: { replicas: 2 } })
    expect(later.metadata.managedFields).toEqual([])
  })

  test('through a subresource count for nothing', () => {
    expect(updated(live, 'x', withFields([]), { subresource: 'status' }).metadata.managedFields).toEqual([entry])
  })
})

describe('kubectl goes over from the client side to the server side', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
  const old = manifest({ replicas: 1 })
  const live = updated(undefined, 'kubectl-client-side-apply', {
    ...old,
    metadata: { ...old.metadata, annotations: { [annotation]: JSON.stringify(old) } },
  })

  test('what it had applied itself is no conflict, and the annotation stays true', () => {
    const after = applied(live, 'kubectl', manifest({ replicas: 2 }))
    expect(after.spec).toEqual({ replicas: 2 })
    expect(JSON.parse(after.metadata.annotations?.[annotation] ?? '')).toEqual(manifest({ replicas: 2 }))
  })

  test('another manager meets the conflict', () => {
    expect(conflictOf(live, 'me', manifest({ replicas: 2 }))).toMatch(/kubectl-client-side-apply/)
  })

  test('what a third one set is a conflict', () => {
    const scaled = updated(live, 'hpa', { ...live, spec: { replicas: 1, paused: true } })
    expect(conflictOf(scaled, 'kubectl', manifest({ replicas: 2, paused: false }))).toMatch(/"hpa".*\.spec\.paused$/)
  })
})

describe('laws', () => {
  const env = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('A', 'B', 'C', 'D'), value: fc.constantFrom('1', '2') }),
    {
      selector: ({ name }) => name,
    },
  )
  const containers = fc.uniqueArray(
    fc.record(
      { name: fc.constantFrom('a', 'b', 'c'), image: fc.constantFrom('1', '2'), env },
      { requiredKeys: ['name'] },
    ),
    { selector: ({ name }) => name },
  )
  const spec = fc.record(
    {
      replicas: fc.nat(3),
      paused: fc.boolean(),
      selector: fc.constant({ matchLabels: { app: 'x' } }),
      template: fc.record({ spec: fc.record({ containers }) }),
    },
    { requiredKeys: [] },
  )

  test('applying the same twice changes nothing, not even a time', () => {
    fc.assert(
      fc.property(spec, spec, (one, two) => {
        const live = applied(applied(undefined, 'other', manifest(one)), 'me', manifest(two), true)
        expect(applied(live, 'me', manifest(two), false, { nowMs: 9e12 })).toEqual(live)
      }),
    )
  })

  test('what was applied is there, whatever was there before', () => {
    fc.assert(
      fc.property(spec, spec, (one, two) => {
        const live = applied(applied(undefined, 'me', manifest(one)), 'me', manifest(two))
        expect(withoutEmpties(live.spec ?? {})).toEqual(withoutEmpties(two))
      }),
    )
  })

  test('two managers with disjoint fields never conflict, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(4)), { maxLength: 12 }), (writes) => {
        let live: ApiObject | undefined
        for (const [isFirst, value] of writes) {
          const mine = isFirst ? { replicas: value } : { paused: value % 2 === 0 }
          live = applied(
            live,
            isFirst ? 'a' : 'b',
            manifest({ ...mine, ...pod({ name: isFirst ? 'a' : 'b', image: `${value}` }) }),
          )
        }
      }),
    )
  })

  test('a manager that drops everything leaves nothing behind of its own', () => {
    fc.assert(
      fc.property(spec, spec, (one, two) => {
        const first = applied(undefined, 'a', manifest(one))
        const left = applied(applied(first, 'b', manifest(two), true), 'b', manifest(undefined))
        expect(fieldsOf(left, 'b')).toBeUndefined()
        expect(JSON.stringify(left.metadata.managedFields ?? [])).not.toContain('"manager":"b"')
      }),
    )
  })

  test('tracking any two objects never fails', () => {
    const anything = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }) as fc.Arbitrary<Json>
    fc.assert(
      fc.property(anything, anything, spec, (a, b, c) => {
        const old = updated(undefined, 'x', manifest({ ...c, ...a }))
        updated(
          old,
          'y',
          manifest({ ...b, template: { spec: { containers: [1, { name: null }, { name: 'a' }, { name: 'a' }] } } }),
        )
      }),
    )
  })
})

/** Lists and objects that hold nothing set nothing, and may be gone. */
function withoutEmpties(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpties)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).map(([name, inner]) => [name, withoutEmpties(inner)] as const)
  return Object.fromEntries(
    kept.filter(([, inner]) => typeof inner !== 'object' || Object.keys(inner as object).length > 0),
  )
}
