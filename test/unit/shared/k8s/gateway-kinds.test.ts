import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProblem, type MetadataSelector, matchesSelector, readObjects } from '#shared/k8s'

const gateway = (spec: string, status = ''): string =>
  `apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: shop}\nspec:\n${spec}\n${status}`

describe('reading Gateways', () => {
  it('fills in what the API fills in', () => {
    const text = gateway(
      '  gatewayClassName: istio-waypoint\n  listeners: [{name: mesh, port: 15008, protocol: HBONE}]',
      'status: {addresses: [{value: 10.0.0.9}]}',
    )
    expect(readObjects(text, 'f').objects).toMatchObject([
      {
        kind: 'Gateway',
        spec: {
          gatewayClassName: 'istio-waypoint',
          listeners: [
            {
              name: 'mesh',
              port: 15_008,
              protocol: 'HBONE',
              hostname: '',
              allowedRoutes: { namespaces: { from: 'Same' }, kinds: [] },
            },
          ],
          addresses: [],
          infrastructure: undefined,
        },
        // Of a status nothing is guessed.
        status: { addresses: [{ type: '', value: '10.0.0.9' }], conditions: [], listeners: [] },
      },
    ])
  })

  it('reads both versions as one kind', () => {
    const texts = ['v1', 'v1beta1'].map((version) =>
      gateway('  gatewayClassName: c').replace('k8s.io/v1', `k8s.io/${version}`),
    )
    const [first, second] = texts.map((text) => readObjects(text, 'f').objects)
    expect(first).toHaveLength(1)
    expect(second).toEqual(first)
  })

  it('reads classes and grants', () => {
    const text = [
      'apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\nspec: {controllerName: a.b/c}',
      'apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: r, namespace: shop}\nspec: {from: [{group: g, kind: K, namespace: n}], to: [{group: "", kind: Service}]}',
    ].join('\n---\n')
    expect(readObjects(text, 'f')).toMatchObject({
      problems: [],
      objects: [
        { kind: 'GatewayClass', spec: { controllerName: 'a.b/c' }, status: { conditions: [] } },
        {
          kind: 'ReferenceGrant',
          spec: { from: [{ namespace: 'n' }], to: [{ group: '', kind: 'Service', name: undefined }] },
        },
      ],
    })
  })

  const refused: readonly [shows: string, spec: string, problem: string][] = [
    ['a missing class', '  listeners: []', 'f:4: spec.gatewayClassName: is missing'],
    [
      'a listener without a port',
      '  gatewayClassName: c\n  listeners: [{name: a, protocol: HTTP}]',
      'f:6: spec.listeners[0].port: is missing',
    ],
    [
      'two listeners of one name',
      '  gatewayClassName: c\n  listeners:\n  - {name: a, port: 1, protocol: TCP}\n  - {name: a, port: 2, protocol: TCP}',
      'f:8: spec.listeners[1].name: is the same as of spec.listeners[0]',
    ],
    [
      'a Selector that selects by nothing',
      '  gatewayClassName: c\n  listeners:\n  - {name: a, port: 1, protocol: TCP, allowedRoutes: {namespaces: {from: Selector}}}',
      'f:7: spec.listeners[0].allowedRoutes.namespaces.selector: is missing for from: Selector',
    ],
    [
      'an operator without its values',
      '  gatewayClassName: c\n  listeners:\n  - {name: a, port: 1, protocol: TCP, allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: k, operator: In}]}}}}',
      'f:7: spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].values: is missing',
    ],
  ]
  it.each(refused)('names %s', (_, spec, problem) => {
    expect(readObjects(gateway(spec), 'f').problems.map(formatProblem)).toEqual([problem])
  })

  it('answers any listener without throwing', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (listener, status) => {
        const read = readObjects(gateway(`  gatewayClassName: c\n  listeners: [${listener}]`, `status: ${status}`), 'f')
        expect(read.objects.length + read.rejected.length).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('a selector of labels', () => {
  const rows: readonly [shows: string, selector: Partial<MetadataSelector>, isSelected: boolean][] = [
    ['says nothing and takes everything', {}, true],
    ['wants a label that is there', { matchLabels: { team: 'a' } }, true],
    ['wants another value', { matchLabels: { team: 'b' } }, false],
    ['wants one of several values', { matchExpressions: [{ key: 'team', operator: 'In', values: ['b', 'a'] }] }, true],
    [
      'wants a value of a label that is missing',
      { matchExpressions: [{ key: 'x', operator: 'In', values: [''] }] },
      false,
    ],
    ['excludes the value', { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['a'] }] }, false],
    [
      'excludes a value of a label that is missing',
      { matchExpressions: [{ key: 'x', operator: 'NotIn', values: ['a'] }] },
      true,
    ],
    ['wants a label whatever it says', { matchExpressions: [{ key: 'team', operator: 'Exists', values: [] }] }, true],
    ['wants a label away', { matchExpressions: [{ key: 'team', operator: 'DoesNotExist', values: [] }] }, false],
    [
      'wants two things of which one holds',
      { matchLabels: { team: 'a' }, matchExpressions: [{ key: 'x', operator: 'Exists', values: [] }] },
      false,
    ],
  ]
  it.each(rows)('%s', (_, selector, isSelected) => {
    expect(matchesSelector({ matchLabels: {}, matchExpressions: [], ...selector }, { team: 'a' })).toBe(isSelected)
  })
})
