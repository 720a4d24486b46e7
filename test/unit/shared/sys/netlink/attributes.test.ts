import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Attributes,
  attribute,
  nested,
  readList,
  text,
  u32,
  u32be,
} from '../../../../../src/shared/sys/netlink/attributes.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'))

describe('netlink attributes', () => {
  it.each([
    { what: 'a byte string, padded to four', made: attribute(5, bytes('aabbcc')), wire: '0700 0500 aabbcc 00' },
    { what: 'an empty one', made: attribute(5, new Uint8Array()), wire: '0400 0500' },
    { what: 'text with its final zero', made: text(1, 'lo'), wire: '0700 0100 6c6f00 00' },
    { what: 'a number in host order', made: u32(15, 100), wire: '0800 0f00 64000000' },
    { what: 'a number in network order', made: u32be(2, 3), wire: '0800 0200 00000003' },
    { what: 'a negative number', made: u32be(2, -150), wire: '0800 0200 ffffff6a' },
    { what: 'attributes inside one', made: nested(4, u32be(1, 3)), wire: '0c00 0480 0800 0100 00000003' },
  ])('write $what', ({ made, wire }) => {
    expect(hex(made)).toBe(hex(bytes(wire)))
  })

  it('are read by type, the last of several', () => {
    const read = new Attributes(bytes('0800 0100 00000001 0800 0100 00000002 0700 0380 6c6f00 00'))
    expect([read.u32be(1), read.text(3), read.u32(9), read.nested(9).u32(1)]).toEqual([2, 'lo', undefined, undefined])
  })

  it.each(['0300 0100', '0900 0100 00000000', 'ffff 0100'])('refuse a length that does not fit: %s', (wire) => {
    expect(() => readList(bytes(wire))).toThrow(expect.objectContaining({ code: 'NETLINK_REJECTED', errno: 'EBADMSG' }))
  })

  it('read back what they write', () => {
    const list = fc.array(
      fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), value: fc.uint8Array({ maxLength: 40 }) }),
    )
    fc.assert(
      fc.property(list, (attributes) => {
        const wire = Buffer.concat(attributes.map(({ type, value }) => attribute(type, value)))
        expect(readList(new Uint8Array(wire))).toEqual(attributes)
      }),
    )
  })

  it('never fail in another way than by saying so', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (garbage) => {
        try {
          readList(garbage)
        } catch (error) {
          expect(error).toMatchObject({ code: 'NETLINK_REJECTED' })
        }
      }),
    )
  })
})
