import { describe, expect, test } from 'vitest'
import type { Crd } from '../../../../../src/local/apiserver/crd/crd-types.ts'
import { definitionOf } from '../../../../../src/local/apiserver/crd/custom-definition.ts'
import { createOpenApi } from '../../../../../src/local/apiserver/openapi/index.ts'
import { Resources } from '../../../../../src/local/apiserver/registry.ts'
import type { OpenApi } from '../../../../../src/local/apiserver/types.ts'

function crd(plural: string, kind: string, fields: object = {}): Crd {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.shop.example.com` },
    spec: {
      group: 'shop.example.com',
      names: { plural, kind },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: `A ${kind} of the shop.`,
              properties: {
                spec: {
                  type: 'object',
                  description: 'What is wanted.',
                  properties: {
                    name: { type: 'string', description: 'Its name.' },
                    port: { 'x-kubernetes-int-or-string': true },
                    ...fields,
                  },
                },
              },
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  }
}

function registryWith(...crds: Crd[]): Resources {
  const registry = new Resources()
  for (const each of crds) registry.put(definitionOf(each))
  return registry
}

function get(openApi: OpenApi, path: string): ReturnType<OpenApi['answer']> {
  return openApi.answer({ path, query: new URLSearchParams(), accept: '*/*' })
}

interface Json {
  readonly [key: string]: Json
}

function read(openApi: OpenApi, path: string): Json {
  const answer = get(openApi, path)
  expect(answer?.contentType).toBe('application/json')
  return JSON.parse(Buffer.from(answer?.body ?? []).toString()) as Json
}

describe('OpenAPI v3', () => {
  const openApi = createOpenApi(registryWith(crd('carts', 'Cart')))

  test('lists each group and version with the hash of its document', () => {
    const index = read(openApi, '/openapi/v3')
    const { serverRelativeURL } = index.paths?.['apis/shop.example.com/v1'] ?? {}
    expect(serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/shop\.example\.com\/v1\?hash=[0-9A-F]{64}$/)
    const etag = get(openApi, '/openapi/v3/apis/shop.example.com/v1')?.etag
    expect(String(serverRelativeURL)).toContain(String(etag).replaceAll('"', ''))
  })

  test('describes a kind for explain: fields with their texts, metadata by reference', () => {
    const schemas = read(openApi, '/openapi/v3/apis/shop.example.com/v1').components?.schemas
    const cart = schemas?.['com.example.shop.v1.Cart']
    expect(cart).toMatchObject({
      description: 'A Cart of the shop.',
      'x-kubernetes-group-version-kind': [{ group: 'shop.example.com', version: 'v1', kind: 'Cart' }],
      properties: {
        spec: { properties: { name: { type: 'string', description: 'Its name.' } } },
        metadata: { allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }] },
      },
    })
    expect(schemas?.['com.example.shop.v1.CartList']?.properties?.items?.items).toEqual({
      $ref: '#/components/schemas/com.example.shop.v1.Cart',
    })
    expect(schemas).toHaveProperty(['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'])
  })

  test.each([
    ['/apis/shop.example.com/v1/namespaces/{namespace}/carts', 'post'],
    ['/apis/shop.example.com/v1/namespaces/{namespace}/carts/{name}', 'put'],
    ['/apis/shop.example.com/v1/namespaces/{namespace}/carts/{name}', 'patch'],
    ['/apis/shop.example.com/v1/namespaces/{namespace}/carts/{name}/status', 'patch'],
  ])('says of %s %s that the server validates fields', (path, method) => {
    const operation = read(openApi, '/openapi/v3/apis/shop.example.com/v1').paths?.[path]?.[method]
    expect(operation?.['x-kubernetes-group-version-kind']).toEqual({
      group: 'shop.example.com',
      version: 'v1',
      kind: 'Cart',
    })
    expect(operation?.parameters).toContainEqual(expect.objectContaining({ name: 'fieldValidation', in: 'query' }))
  })

  test('every reference of a document leads to a schema of it', () => {
    const text = JSON.stringify(read(openApi, '/openapi/v3/apis/shop.example.com/v1'))
    const schemas = read(openApi, '/openapi/v3/apis/shop.example.com/v1').components?.schemas ?? {}
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      expect(schemas).toHaveProperty([name ?? ''])
  })

  test.each(['/openapi/v3/apis/nobody.example.com/v1', '/openapi/v3/x', '/openapi', '/openapi/v3/__proto__'])(
    'knows nothing of %s',
    (path) => {
      expect(get(openApi, path)).toBeUndefined()
    },
  )
})

describe('documents are made again only when something changes', () => {
  test('a new kind in another group leaves a document as it is', () => {
    const registry = registryWith(crd('carts', 'Cart'))
    const openApi = createOpenApi(registry)
    const before = get(openApi, '/openapi/v3/apis/shop.example.com/v1')
    const index = get(openApi, '/openapi/v3')
    const other = crd('trees', 'Tree')
    registry.put(definitionOf({ ...other, spec: { ...other.spec, group: 'wood.example.com' } }))
    expect(get(openApi, '/openapi/v3/apis/shop.example.com/v1')?.body).toBe(before?.body)
    expect(get(openApi, '/openapi/v3')?.etag).not.toBe(index?.etag)
  })

  test('a changed kind changes its document, a removed one takes it away', () => {
    const registry = registryWith(crd('carts', 'Cart'))
    const openApi = createOpenApi(registry)
    const before = get(openApi, '/openapi/v3/apis/shop.example.com/v1')
    registry.put(definitionOf(crd('carts', 'Cart', { more: { type: 'string' } })))
    expect(get(openApi, '/openapi/v3/apis/shop.example.com/v1')?.etag).not.toBe(before?.etag)
    registry.remove('shop.example.com', 'carts')
    expect(get(openApi, '/openapi/v3/apis/shop.example.com/v1')).toBeUndefined()
    expect(read(openApi, '/openapi/v3')).toEqual({ paths: {} })
  })
})

/** Fields of a protobuf message by number; texts and messages as bytes. */
function fields(body: Uint8Array): ReadonlyMap<number, readonly Buffer[]> {
  const found = new Map<number, Buffer[]>()
  const bytes = Buffer.from(body)
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    const list = found.get(key >> 3) ?? []
    found.set(key >> 3, list)
    if ((key & 7) === 0) list.push(Buffer.from([varint()]))
    else {
      const length = varint()
      list.push(bytes.subarray(at, at + length))
      at += length
    }
  }
  return found
}

test('OpenAPI v2 is one protobuf document with every kind, for kubectl of old', () => {
  const openApi = createOpenApi(registryWith(crd('carts', 'Cart')))
  const answer = get(openApi, '/openapi/v2')
  expect(answer?.contentType).toBe('application/com.github.proto-openapi.spec.v2.v1.0+protobuf')
  const document = fields(answer?.body ?? new Uint8Array())
  expect(document.get(1)?.[0]?.toString()).toBe('2.0')
  const definitions = (fields(document.get(9)?.[0] ?? Buffer.alloc(0)).get(1) ?? []).map((each) => fields(each))
  const names = definitions.map((each) => each.get(1)?.[0]?.toString())
  expect(names).toContain('com.example.shop.v1.Cart')
  const cart = fields(
    definitions.find((each) => each.get(1)?.[0]?.toString() === 'com.example.shop.v1.Cart')?.get(2)?.[0] ??
      Buffer.alloc(0),
  )
  expect(cart.get(4)?.[0]?.toString()).toBe('A Cart of the shop.')
  expect(cart.get(31)?.[0]?.toString()).toContain('kind: Cart')
  const paths = (fields(document.get(8)?.[0] ?? Buffer.alloc(0)).get(2) ?? []).map((each) =>
    fields(each).get(1)?.[0]?.toString(),
  )
  expect(paths).toContain('/apis/shop.example.com/v1/namespaces/{namespace}/carts/{name}')
})
