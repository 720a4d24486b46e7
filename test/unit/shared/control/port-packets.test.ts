import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePortPacket, PORT_PACKET_BYTES, readOpenPort, readPortAnswer } from '#shared/control'

describe('packets of the port opener', () => {
  it('read back as they were written, and are shorter than their bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_535 }), fc.constantFrom('EADDRINUSE', 'EACCES'), (port, errno) => {
        expect(readOpenPort(encodePortPacket({ port }))).toEqual({ port })
        const refused = { kind: 'refused', errno } as const
        expect(readPortAnswer(encodePortPacket(refused))).toEqual(refused)
        expect(encodePortPacket(refused).length).toBeLessThan(PORT_PACKET_BYTES)
      }),
    )
    expect(readPortAnswer(encodePortPacket({ kind: 'opened' }))).toEqual({ kind: 'opened' })
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"port":0}',
    '{"port":65536}',
    '{"port":"80"}',
    '{"port":1.5}',
    '{"kind":"refused"}',
  ])('are not %j', (text) => {
    expect(readOpenPort(Buffer.from(text))).toBeUndefined()
    expect(readPortAnswer(Buffer.from(text))).toBeUndefined()
  })

  it('of any bytes are none, or ask for a port that there is', () => {
    const numbers = fc.oneof(fc.double(), fc.integer(), fc.integer({ min: -2, max: 70_000 }))
    const texts = numbers.map((port) => Buffer.from(JSON.stringify({ port })))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), texts), (bytes) => {
        const port = readOpenPort(bytes)?.port ?? 1
        expect(Number.isInteger(port) && port > 0 && port < 65_536).toBe(true)
      }),
    )
  })
})
