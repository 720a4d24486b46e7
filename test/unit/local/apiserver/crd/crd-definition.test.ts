import { describe, expect, test } from 'vitest'
import type { Crd, CrdVersion } from '../../../../../src/local/apiserver/crd/crd-types.ts'
import { definitionOf } from '../../../../../src/local/apiserver/crd/custom-definition.ts'
import type { Schema } from '../../../../../src/local/apiserver/index.ts'
import { Resources } from '../../../../../src/local/apiserver/registry.ts'
import { takeCrd } from '../../../../support/mesh-kinds.ts'

const object = (properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
})

function crd(schema: Schema, spec: object = {}, version: Partial<CrdVersion> = {}): Crd {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'carts.shop.example.com' },
    spec: {
      group: 'shop.example.com',
      names: { plural: 'carts', kind: 'Cart' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version }],
      ...spec,
    },
  }
}
const SPEC = 'spec.versions[0].schema.openAPIV3Schema'

describe('a definition is taken', () => {
  const rows: readonly [string, Crd][] = [
    ['with an open schema', crd({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true })],
    [
      'with unions as Istio writes them',
      crd(
        object({
          spec: object(
            { exact: { type: 'string' }, prefix: { type: 'string' } },
            {
              oneOf: [
                { not: { anyOf: [{ required: ['exact'] }, { required: ['prefix'] }] } },
                { required: ['exact'] },
                { required: ['prefix'] },
              ],
            },
          ),
        }),
      ),
    ],
    [
      'with alternatives of values as Gateway API writes them',
      crd(
        object({
          addresses: {
            type: 'array',
            items: object(
              { type: { type: 'string', default: 'IPAddress' }, value: { type: 'string' } },
              {
                oneOf: [
                  {
                    properties: {
                      type: { enum: ['IPAddress'] },
                      value: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
                    },
                  },
                  { properties: { type: { not: { enum: ['IPAddress'] } } } },
                ],
              },
            ),
          },
        }),
      ),
    ],
    [
      'with numbers or texts in both notations',
      crd(
        object({
          a: { 'x-kubernetes-int-or-string': true },
          b: {
            'x-kubernetes-int-or-string': true,
            anyOf: [{ type: 'integer' }, { type: 'string' }],
            pattern: '^[0-9]+%?$',
          },
        }),
      ),
    ],
    [
      'with defaults in defaults, maps of lists, sets and embedded objects',
      crd(
        object({
          spec: object(
            {
              rules: {
                type: 'array',
                default: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }],
                'x-kubernetes-list-type': 'atomic',
                items: object({
                  matches: {
                    type: 'array',
                    items: object({ path: object({ type: { type: 'string' }, value: { type: 'string' } }) }),
                  },
                }),
              },
              ports: {
                type: 'array',
                'x-kubernetes-list-type': 'map',
                'x-kubernetes-list-map-keys': ['name'],
                items: object({ name: { type: 'string' } }, { required: ['name'] }),
              },
              names: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
              template: {
                type: 'object',
                'x-kubernetes-embedded-resource': true,
                'x-kubernetes-preserve-unknown-fields': true,
              },
              labels: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
            },
            { 'x-kubernetes-validations': [{ rule: 'has(self.ports[0].name) || !has(self.names)', message: 'no' }] },
          ),
        }),
      ),
    ],
    [
      'in the group of Kubernetes with an approval',
      {
        ...crd(object({})),
        metadata: { name: 'carts.x.k8s.io', annotations: { 'api-approved.kubernetes.io': 'https://example.com/1' } },
        spec: { ...crd(object({})).spec, group: 'x.k8s.io' },
      },
    ],
  ]
  test.each(rows)('%s', (_, document) => {
    expect(takeCrd(document)).toMatchObject({ spec: { names: { singular: 'cart', listKind: 'CartList' } } })
  })
})

describe('a definition is refused', () => {
  const two = (first: Partial<CrdVersion>, second: Partial<CrdVersion>): object => ({
    versions: [first, second].map((each) => ({
      name: 'v1',
      served: true,
      storage: true,
      schema: { openAPIV3Schema: object({}) },
      ...each,
    })),
  })
  const rows: readonly [string, Crd, string][] = [
    [
      'under a wrong name',
      { ...crd(object({})), metadata: { name: 'x' } },
      'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group',
    ],
    ['without a schema', crd(object({}), {}, { schema: {} }), `${SPEC}: Required value: schemas are required`],
    [
      'with two storage versions',
      crd(object({}), two({}, { name: 'v2' })),
      'spec.versions: Invalid value: ["v1","v2"]: must have exactly one version marked as storage version',
    ],
    [
      'with one version twice',
      crd(object({}), two({}, { storage: false })),
      'spec.versions[1].name: Duplicate value: "v1"',
    ],
    [
      'with a scope that is none',
      crd(object({}), { scope: 'Cosmic' }),
      'spec.scope: Unsupported value: "Cosmic": supported values: "Cluster", "Namespaced"',
    ],
    [
      'with conversion by webhook',
      crd(object({}), { conversion: { strategy: 'Webhook' } }),
      'spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"',
    ],
    [
      'that keeps unknown fields',
      crd(object({}), { preserveUnknownFields: true }),
      'spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema',
    ],
    [
      'with a field without type',
      crd(object({ a: {} })),
      `${SPEC}.properties[a].type: Required value: must not be empty for specified object fields`,
    ],
    [
      'with a type inside a union',
      crd(object({ a: object({}, { anyOf: [{ type: 'object' }] }) })),
      `${SPEC}.properties[a].anyOf[0].type: Forbidden: must be empty to be structural`,
    ],
    [
      'with fields beside free values',
      crd(object({ a: object({ b: { type: 'string' } }, { additionalProperties: { type: 'string' } }) })),
      `${SPEC}.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      'with a list of nothing',
      crd(object({ a: { type: 'array' } })),
      `${SPEC}.properties[a].items: Required value: must be specified`,
    ],
    [
      'with a map without keys',
      crd(object({ a: { type: 'array', items: object({}), 'x-kubernetes-list-type': 'map' } })),
      `${SPEC}.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
    ],
    [
      'with a default that is not valid',
      crd(object({ a: { type: 'string', default: 5 } })),
      `${SPEC}.properties[a].default: Invalid value: 5: Invalid value: "integer": body must be of type string: "integer"`,
    ],
    [
      'with rules about metadata',
      crd(object({ metadata: object({ labels: { type: 'object' } }) })),
      `${SPEC}.properties[metadata].properties[labels]: Forbidden: must not specify anything other than name and generateName`,
    ],
    [
      'with a column that leads nowhere',
      crd(object({}), {}, { additionalPrinterColumns: [{ name: 'x', type: 'string', jsonPath: 'spec' }] }),
      'spec.versions[0].additionalPrinterColumns[0].jsonPath: Invalid value: "spec": is an invalid JSON path',
    ],
    ['with a field of its own that nobody knows', crd(object({}), { nmaes: {} }), 'unknown field "spec.nmaes"'],
    [
      'in the group of Kubernetes without an approval',
      {
        ...crd(object({})),
        metadata: { name: 'carts.x.k8s.io' },
        spec: { ...crd(object({})).spec, group: 'x.k8s.io' },
      },
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
  ]
  test.each(rows)('%s', (_, document, expected) => {
    expect(takeCrd(document)).toEqual([expected])
  })

  test('with a keyword that is misspelt, or that no structural schema has', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string', patern: '^a$' }, b: { type: 'object', $ref: '#/x' } },
    }
    expect(takeCrd(crd(schema as Schema))).toEqual([
      `${SPEC}.properties[a].patern: Forbidden: unknown field "patern"`,
      `${SPEC}.properties[b].$ref: Forbidden: is not supported`,
    ])
  })

  test('with a pattern or a rule that does not compile', () => {
    const taken = takeCrd(
      crd(
        object({
          a: { type: 'string', pattern: '(' },
          b: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self ==' }] },
        }),
      ),
    )
    expect(taken).toEqual([
      expect.stringContaining(`${SPEC}.properties[a].pattern: Invalid value: "(": must be a valid regular expression`),
      expect.stringContaining(
        `${SPEC}.properties[b].x-kubernetes-validations[0].rule: Invalid value: "self ==": compilation failed`,
      ),
    ])
  })

  test('when its schema is nested beyond reason', () => {
    let schema: Schema = { type: 'string' }
    for (let i = 0; i < 2_000; i++) schema = object({ a: schema })
    expect(takeCrd(crd(schema))).toEqual([expect.stringContaining('may not be nested deeper than')])
  })
})

describe('names', () => {
  const registry = new Resources()
  registry.put(definitionOf(crd(object({}), { names: { plural: 'carts', kind: 'Cart', shortNames: ['ct'] } })))
  const other = (names: object): Crd => ({
    ...crd(object({}), { names }),
    metadata: { name: 'trolleys.shop.example.com' },
  })

  test('that are free are accepted', () => {
    expect(takeCrd(other({ plural: 'trolleys', kind: 'Trolley' }), registry)).toMatchObject({
      status: {
        acceptedNames: { kind: 'Trolley' },
        storedVersions: ['v1'],
        conditions: [
          { type: 'NamesAccepted', status: 'True' },
          { type: 'Established', status: 'True' },
        ],
      },
    })
  })

  test.each([
    ['kind', { plural: 'trolleys', kind: 'Cart', singular: 'trolley' }, 'KindConflict', '"Cart" is already in use'],
    [
      'short name',
      { plural: 'trolleys', kind: 'Trolley', shortNames: ['ct'] },
      'ShortNamesConflict',
      '"ct" is already in use',
    ],
    [
      'singular',
      { plural: 'trolleys', kind: 'Trolley', singular: 'carts' },
      'SingularConflict',
      '"carts" is already in use',
    ],
  ])('whose %s is taken leave the kind unserved', (_, names, reason, message) => {
    expect(takeCrd(other(names), registry)).toMatchObject({
      status: {
        conditions: [
          { type: 'NamesAccepted', status: 'False', reason, message },
          { type: 'Established', status: 'False' },
        ],
      },
    })
  })
})

test('a definition becomes a resource with its versions, columns and subresources', () => {
  const schema = { openAPIV3Schema: object({ spec: object({ size: { type: 'integer' } }) }) }
  const definition = definitionOf(
    crd(object({}), {
      versions: [
        { name: 'v1beta1', served: true, storage: false, schema, deprecated: true },
        {
          name: 'v1',
          served: true,
          storage: true,
          schema,
          subresources: { status: {}, scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } },
          selectableFields: [{ jsonPath: '.spec.size' }],
        },
      ],
    }),
  )
  expect(definition).toMatchObject({ storageVersion: 'v1', isNamespaced: true, origin: 'custom' })
  expect(definition.versions.map(({ name, deprecationWarning }) => [name, deprecationWarning])).toEqual([
    ['v1', undefined],
    ['v1beta1', 'shop.example.com/v1beta1 Cart is deprecated'],
  ])
  expect([...definition.subresources.keys()]).toEqual(['status', 'scale'])
  const read = definition.selectableFields.get('spec.size')
  expect(read?.({ apiVersion: 'a', kind: 'Cart', metadata: { name: 'a' }, spec: { size: 3 } })).toBe('3')
})
