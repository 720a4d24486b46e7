import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '#shared/xds'
import { schema } from '../../../../src/shared/xds/schema.ts'
import { fromStruct, toStruct } from '../../../../src/shared/xds/struct.ts'
import { message } from './wire-bytes.ts'

describe('a Struct', () => {
  it('carries JSON over the wire unchanged', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (record) => {
        const json = JSON.parse(JSON.stringify(record)) as JsonObject
        const bytes = schema().certificateRequest.encode({ metadata: toStruct(json) })
        const { metadata } = schema().certificateRequest.decode(bytes)
        expect(metadata === null ? undefined : fromStruct(metadata)).toEqual(json)
      }),
    )
  })

  it('has the field numbers of google.protobuf.Struct in the CSR call', () => {
    const bytes = schema().certificateRequest.encode({
      csr: 'csr',
      validityDuration: 86_400,
      metadata: toStruct({ ImpersonatedIdentity: 'spiffe://td/ns/a/sa/b' }),
    })
    const entry = message([1, 'ImpersonatedIdentity'], [2, [[3, 'spiffe://td/ns/a/sa/b']]])
    expect(bytes).toEqual(message([1, 'csr'], [3, 86_400], [4, [[1, entry]]]))
  })

  it('reads a number that JSON cannot write, and a value with nothing set, as null', () => {
    const nan = Buffer.alloc(9)
    nan[0] = (2 << 3) | 1
    nan.writeDoubleLE(Number.NaN, 1)
    const bytes = message([
      4,
      [
        [
          1,
          [
            [1, 'a'],
            [2, nan],
          ],
        ],
        [
          1,
          [
            [1, 'b'],
            [2, []],
          ],
        ],
      ],
    ])
    const { metadata } = schema().certificateRequest.decode(bytes)
    expect(metadata && fromStruct(metadata)).toEqual({ a: null, b: null })
  })
})

describe('the messages of delta ADS', () => {
  it('have the field numbers of the discovery service', () => {
    const request = schema().deltaRequest.encode({
      node: { id: 'n' },
      typeUrl: 't',
      resourceNamesSubscribe: ['*'],
      resourceNamesUnsubscribe: ['x'],
      initialResourceVersions: { a: '1' },
      responseNonce: 'nonce',
      errorDetail: { message: 'why' },
    })
    expect(request).toEqual(
      message(
        [1, [[1, 'n']]],
        [2, 't'],
        [3, '*'],
        [4, 'x'],
        [
          5,
          [
            [1, 'a'],
            [2, '1'],
          ],
        ],
        [6, 'nonce'],
        [7, [[2, 'why']]],
      ),
    )
    const response = schema().deltaResponse.encode({
      typeUrl: 't',
      nonce: 'n',
      removedResources: ['r'],
      resources: [{ name: 'a', version: '1', aliases: ['b'], resource: { type_url: 't', value: Buffer.of(7) } }],
    })
    const resource = message(
      [1, '1'],
      [
        2,
        [
          [1, 't'],
          [2, Buffer.of(7)],
        ],
      ],
      [3, 'a'],
      [4, 'b'],
    )
    expect(response).toEqual(message([2, resource], [4, 't'], [5, 'n'], [6, 'r']))
  })
})
