import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeAck,
  decodeRequest,
  encodeAck,
  encodeHello,
  encodeRequest,
  MAX_PACKET_BYTES,
  readHello,
  type WorkloadRequest,
} from '../../../../src/shared/zds/messages.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => Buffer.from(text.replace(/\s/g, ''), 'hex')
const ascii = (text: string): string => Buffer.from(text).toString('hex')
const info = { name: 'web', namespace: 'shop', serviceAccount: 'sa' }

describe('ZDS messages', () => {
  it.each<{ request: WorkloadRequest; wire: string }>([
    {
      request: { kind: 'add', uid: 'u1', info },
      wire: `0a15 0a02${ascii('u1')} 120f 0a03${ascii('web')} 1204${ascii('shop')} 1a02${ascii('sa')}`,
    },
    { request: { kind: 'add', uid: 'u1', info: undefined }, wire: `0a04 0a02${ascii('u1')}` },
    { request: { kind: 'delete', uid: 'u1' }, wire: `1204 1202${ascii('u1')}` },
    { request: { kind: 'snapshot sent' }, wire: '1a00' },
    { request: { kind: 'keep', uid: 'u1' }, wire: `2a04 0a02${ascii('u1')}` },
  ])('says $request.kind as Istio does', ({ request, wire }) => {
    expect(hex(encodeRequest(request))).toBe(hex(bytes(wire)))
    expect(decodeRequest(bytes(wire))).toEqual(request)
  })

  it('says hello and acknowledges in the bytes that were seen on the wire', () => {
    expect(hex(encodeHello())).toBe('0801')
    expect(hex(encodeAck(''))).toBe('0a00')
    expect(hex(encodeAck('no'))).toBe('0a040a026e6f')
    expect(decodeAck(bytes('0a040a026e6f'))).toBe('no')
    expect(decodeAck(bytes('0a00'))).toBe('')
    expect(() => readHello(bytes('0801'))).not.toThrow()
  })

  it('skips fields it does not know', () => {
    expect(decodeRequest(bytes(`7801 7900000000000000ff 7d000000ff 7a0178 1204 1202${ascii('u1')}`))).toEqual({
      kind: 'delete',
      uid: 'u1',
    })
  })

  it.each([
    { what: 'nothing', wire: '' },
    { what: 'an unknown payload', wire: '2200' },
    { what: 'a field longer than the packet', wire: '0aff01' },
    { what: 'an endless number', wire: '08ffffffffffffffffffff01' },
    { what: 'field number 0', wire: '0000' },
    { what: 'a group', wire: '0b0c' },
    { what: 'a uid that is not UTF-8', wire: '120312 01ff' },
  ])('refuses $what', ({ wire }) => {
    expect(() => decodeRequest(bytes(wire))).toThrow(expect.objectContaining({ code: 'ZDS_PROTOCOL_ERROR' }))
  })

  it.each(['', '0800', '0802'])('refuses the hello %j', (wire) => {
    expect(() => readHello(bytes(wire))).toThrow('unknown ZDS version')
  })

  it('cuts an error text so that its packet fits, at a whole character', () => {
    const packet = encodeAck('é'.repeat(2000))
    expect(packet.length).toBeLessThanOrEqual(MAX_PACKET_BYTES)
    expect(decodeAck(packet)).toMatch(/^é{100,}$/)
  })

  it('reads back what it writes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 })
    const infos = fc.option(fc.record({ name: text, namespace: text, serviceAccount: text }), { nil: undefined })
    const requests = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), uid: text, info: infos }),
      fc.record({ kind: fc.constantFrom('delete' as const, 'keep' as const), uid: text }),
    )
    fc.assert(
      fc.property(requests, (request) => {
        expect(decodeRequest(encodeRequest(request))).toEqual(request)
      }),
    )
  })

  it('never fails in another way than by saying what is wrong', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (garbage) => {
        try {
          decodeRequest(garbage)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ZDS_PROTOCOL_ERROR' })
        }
      }),
    )
  })

  it('agrees with zds.proto', () => {
    const proto = readFileSync(new URL('../../../../src/shared/zds/proto/zds.proto', import.meta.url), 'utf8')
    const field = (message: string, name: string): number => {
      const body = new RegExp(`message ${message} \\{(.*?)^\\}`, 'ms').exec(proto)?.[1] ?? ''
      return Number(new RegExp(`\\b${name} = (\\d+);`).exec(body)?.[1])
    }
    const key = (message: string, name: string): number => (field(message, name) << 3) | 2
    const add = encodeRequest({ kind: 'add', uid: 'u', info })
    expect(add[0]).toBe(key('WorkloadRequest', 'add'))
    expect(add[2]).toBe(key('AddWorkload', 'uid'))
    expect(add[5]).toBe(key('AddWorkload', 'workload_info'))
    expect(add[7]).toBe(key('WorkloadInfo', 'name'))
    expect(add[12]).toBe(key('WorkloadInfo', 'namespace'))
    expect(add[18]).toBe(key('WorkloadInfo', 'service_account'))
    expect([...encodeRequest({ kind: 'delete', uid: 'u' })].filter((_, i) => i === 0 || i === 2)).toEqual([
      key('WorkloadRequest', 'del'),
      key('DelWorkload', 'uid'),
    ])
    expect([...encodeRequest({ kind: 'keep', uid: 'u' })].filter((_, i) => i === 0 || i === 2)).toEqual([
      key('WorkloadRequest', 'keep'),
      key('KeepWorkload', 'uid'),
    ])
    expect(encodeRequest({ kind: 'snapshot sent' })[0]).toBe(key('WorkloadRequest', 'snapshot_sent'))
    expect([...encodeAck('x')].filter((_, i) => i === 0 || i === 2)).toEqual([
      key('WorkloadResponse', 'ack'),
      key('Ack', 'error'),
    ])
    expect(encodeHello()).toEqual(Uint8Array.of(field('ZdsHello', 'version') << 3, 1))
  })
})
