import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProblem, meshConfigKind, readApiObject, readObjects } from '#shared/k8s'

const configMap = (mesh: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: ${JSON.stringify(mesh)}\n`
const read = (mesh: string) => readObjects(configMap(mesh), 'f', [meshConfigKind])

describe("the mesh's settings", () => {
  it('say nothing when they are empty', () => {
    expect(read('').objects).toMatchObject([
      {
        kind: 'MeshConfig',
        spec: { trustDomain: undefined, discoverySelectors: [], serviceEntryVisibility: undefined, unread: [] },
      },
    ])
  })

  it('say which namespaces belong to it, and who sees entries', () => {
    const mesh =
      'discoverySelectors: [{matchLabels: {a: b}}]\nserviceEntryVisibility: {defaultVisibility: NONE, policies: [{visibility: PUBLIC, matchingRules: [{namespaceSelector: {matchLabels: {c: d}}}, {other: 1}]}]}'
    expect(read(mesh).objects).toMatchObject([
      {
        spec: {
          discoverySelectors: [{ matchLabels: { a: 'b' }, matchExpressions: [] }],
          serviceEntryVisibility: {
            otherwise: 'NONE',
            policies: [
              { visibility: 'PUBLIC', namespaces: [{ matchLabels: { c: 'd' }, matchExpressions: [] }, undefined] },
            ],
          },
        },
      },
    ])
  })

  it('name their keys that nobody reads', () => {
    expect(read('trustDomain: a\nzeta: 1\nalpha: 2').objects).toMatchObject([
      { spec: { trustDomain: 'a', unread: ['alpha', 'zeta'] } },
    ])
  })

  it.each([
    ['text that is no YAML', 'a: [', /data\.mesh: is no YAML/],
    ['aliases without end', `a: &a [x]\nb: [${'*a, '.repeat(200)}]`, /data\.mesh: is no YAML/],
    ['a list', '[a]', /data\.mesh: must be a map/],
    [
      'a visibility that is none',
      'serviceEntryVisibility: {defaultVisibility: EVERYONE}',
      /data\.mesh\.serviceEntryVisibility\.defaultVisibility: must be one of/,
    ],
    [
      'a selector with an unknown operator',
      'discoverySelectors: [{matchExpressions: [{key: a, operator: Near}]}]',
      /data\.mesh\.discoverySelectors\[0\]\.matchExpressions\[0\]\.operator: must be one of/,
    ],
  ])('are refused as a whole for %s, so that the last good ones stay', (_, mesh, problem) => {
    const { objects, rejected, problems } = read(mesh)
    expect(objects).toEqual([])
    expect(rejected).toEqual([{ kind: 'MeshConfig', namespace: 'istio-system', name: 'istio' }])
    expect(problems.map(formatProblem).join('\n')).toMatch(problem)
  })

  it('are read or refused, whatever they hold', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.anything().map((value) => JSON.stringify(value) ?? ''),
        ),
        (mesh) => {
          const object = { metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh } }
          const one = readApiObject(object, meshConfigKind)
          if (one.kind === 'rejected') expect(one.problems.length).toBeGreaterThan(0)
        },
      ),
    )
  })
})
