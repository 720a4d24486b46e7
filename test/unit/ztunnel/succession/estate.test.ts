import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEstate, type Estate, encodeEstate } from '../../../../src/ztunnel/succession/index.ts'
import { socket } from '../../../support/mesh-builder.ts'

const ESTATE: Estate = {
  way: 'outbound',
  podUid: 'b6d9',
  source: socket('10.0.0.1:1234'),
  originalDestination: socket('[fd00::2]:443'),
  target: socket('10.0.0.3:8443'),
  workloadUid: 'Kubernetes//Pod/default/server',
  serviceKey: undefined,
  elapsedMs: 1_500.5,
  sentBytes: 12,
  receivedBytes: 2 ** 40,
}

describe('a connection as it is left to another process', () => {
  it('is read as it was written', () => {
    expect(decodeEstate(encodeEstate(ESTATE))).toEqual(ESTATE)
  })

  it.each([
    ['another version', { version: 2 }],
    ['an unknown way', { way: 'tunnel' }],
    ['no pod', { podUid: 7 }],
    ['an address that is none', { target: '10.0.0.3' }],
    ['negative bytes', { sentBytes: -1 }],
    ['a time that is no number', { elapsedMs: 'long' }],
    ['a service that is no text', { serviceKey: {} }],
  ])('is not taken with %s', (_what, change) => {
    const text = JSON.stringify({ ...JSON.parse(Buffer.from(encodeEstate(ESTATE)).toString()), ...change })
    expect(decodeEstate(Buffer.from(text))).toBeUndefined()
  })

  it('is not read out of anything else, and nothing else breaks the reader', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => decodeEstate(bytes) === undefined))
    fc.assert(fc.property(fc.json(), (text) => decodeEstate(Buffer.from(text)) === undefined))
  })
})
