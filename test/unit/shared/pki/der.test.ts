import fc from 'fast-check'
import forge from 'node-forge'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import {
  bitString,
  DerReader,
  encode,
  oid,
  oidText,
  sequence,
  tags,
  time,
  unsignedInteger,
  utf8String,
} from '../../../../src/shared/pki/der.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('writing DER', () => {
  it.each([
    ['a short length in one byte', encode(0x04, Buffer.alloc(127)).subarray(0, 3), '047f00'],
    ['a length of 128 in two bytes', encode(0x04, Buffer.alloc(128)).subarray(0, 3), '048180'],
    ['a length of 256 in three bytes', encode(0x04, Buffer.alloc(256)).subarray(0, 4), '04820100'],
    ['zero as one byte', unsignedInteger(Buffer.of()), '020100'],
    ['an integer without leading zeros', unsignedInteger(Buffer.of(0, 0, 5)), '020105'],
    ['an integer that would look negative with a zero in front', unsignedInteger(Buffer.of(0x80)), '02020080'],
    ['ecdsa-with-SHA256', oid('1.2.840.10045.4.3.2'), '06082a8648ce3d040302'],
    ['an OID with arcs over 127', oid('1.2.840.113549.1.9.14'), '06092a864886f70d01090e'],
    ['an arc below 2 with a large second one', oid('2.999'), '06028837'],
    ['a time before 2050 as UTCTime', time(Date.UTC(2049, 11, 31, 23, 59, 59, 999)), '170d3439313233313233353935395a'],
    ['a time from 2050 on as GeneralizedTime', time(Date.UTC(2050, 0, 1)), '180f32303530303130313030303030305a'],
    ['bits with their unused count', bitString(Buffer.of(0xa0), 5), '030205a0'],
    ['nested values', sequence(utf8String('é'), sequence()), '30060c02c3a93000'],
  ])('gives %s', (_what, bytes, expected) => {
    expect(hex(bytes)).toBe(expected)
  })

  it('is read by node-forge as the same values', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        const der = sequence(encode(tags.octetString, a), unsignedInteger(b))
        const read = forge.asn1.fromDer(forge.util.createBuffer(der.toString('binary')))
        const [first] = read.value as forge.asn1.Asn1[]
        expect(Buffer.from(first?.value as string, 'binary')).toEqual(Buffer.from(a))
      }),
    )
  })
})

describe('reading DER', () => {
  it('gives back every value that was written', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }), (items) => {
        const reader = new DerReader(sequence(...items.map((item) => encode(tags.octetString, item)))).enter(
          tags.sequence,
        )
        for (const item of items) expect(hex(reader.read(tags.octetString).content)).toBe(hex(item))
        expect(reader.isDone).toBe(true)
      }),
    )
  })

  it.each([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['a value longer than the bytes', '300500'],
    ['an indefinite length', '3080000000'],
    ['a length that could be shorter', '308101ff'],
    ['a length of three bytes that could be two', '30820001ff'],
    ['a length of four bytes', '308400000001ff'],
    ['a tag of several bytes', '1f8101ff'],
  ])('refuses %s', (_what, bytes) => {
    expect(() => new DerReader(Buffer.from(bytes, 'hex')).read()).toThrowError(MeshError)
  })

  it('reads OIDs as they were written', () => {
    const arc = fc.integer({ min: 0, max: 2 ** 31 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 39 }), fc.array(arc), (a, b, rest) => {
        const dotted = [a, b, ...rest].join('.')
        expect(oidText(new DerReader(oid(dotted)).read(tags.oid).content)).toBe(dotted)
      }),
    )
  })
})
