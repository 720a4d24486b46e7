import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeMessages, encodeMessage, errorOf } from '../../../../../src/shared/sys/netlink/message.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'))

describe('netlink messages', () => {
  it('have length, type, flags, sequence and sender in front, and are padded', () => {
    const wire = encodeMessage({ type: 16, flags: 5, sequence: 7, body: bytes('aa') })
    expect(hex(wire)).toBe(hex(bytes('11000000 1000 0500 07000000 00000000 aa 000000')))
  })

  it('are read from a datagram one after the other', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            type: fc.nat(0xffff),
            flags: fc.nat(0xffff),
            sequence: fc.nat(0xffff_ffff),
            body: fc.uint8Array({ maxLength: 30 }),
          }),
        ),
        (messages) => {
          const datagram = new Uint8Array(Buffer.concat(messages.map(encodeMessage)))
          expect(decodeMessages(datagram)).toEqual(messages)
        },
      ),
    )
  })

  it('are refused when a length does not fit', () => {
    expect(() => decodeMessages(bytes('11000000 1000 0500 07000000 00000000'))).toThrow('longer than its datagram')
    expect(() => decodeMessages(bytes('0f000000 1000 0500 07000000 00000000'))).toThrow('longer than its datagram')
  })

  it.each([
    { what: 'an acknowledgement', flags: 0x100, body: '00000000', error: undefined },
    {
      what: 'an error number',
      flags: 0x100,
      body: 'efffffff 20000000 0000 0500 01000000 00000000',
      error: 'ask: EEXIST',
    },
    {
      what: 'the kernel’s own words behind the header of what it refused',
      flags: 0x300,
      body: 'eaffffff 20000000 0000 0500 01000000 00000000 0700 0100 6e6f00 00',
      error: 'ask: EINVAL (no)',
    },
    {
      what: 'the kernel’s own words behind the whole of what it refused',
      flags: 0x200,
      body: 'eaffffff 14000000 0000 0500 01000000 00000000 ffffffff 0700 0100 6e6f00 00',
      error: 'ask: EINVAL (no)',
    },
    { what: 'an error number alone although it announces words', flags: 0x200, body: 'eaffffff', error: 'ask: EINVAL' },
    { what: 'an error that no one knows', flags: 0, body: '18fcffff', error: 'ask: errno 1000' },
  ])('tell $what', ({ flags, body, error }) => {
    expect(errorOf({ type: 2, flags, sequence: 1, body: bytes(body) }, 'ask')?.message).toBe(error)
  })
})
