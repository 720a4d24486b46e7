import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeProxyHeader, type ProxyHeader, readProxyHeader } from '#shared/net'
import { socket } from '../../../support/mesh-builder.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const MAX = 1024

function hex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
}

describe('writing a PROXY header', () => {
  it.each<[string, ProxyHeader, Buffer]>([
    [
      'IPv4 ends and a value',
      {
        ends: { source: socket('10.0.0.1:258'), destination: socket('10.0.0.2:80') },
        values: [{ type: 0xd0, value: Buffer.from('id') }],
      },
      hex(SIGNATURE, '21 11 0011', '0a000001 0a000002 0102 0050', 'd0 0002 6964'),
    ],
    [
      'IPv6 ends',
      { ends: { source: socket('[fd00::1]:1'), destination: socket('[fd00::2]:2') }, values: [] },
      hex(SIGNATURE, '21 21 0024', `fd${'0'.repeat(29)}1`, `fd${'0'.repeat(29)}2`, '0001 0002'),
    ],
    [
      'ends of different families are not told, values are',
      {
        ends: { source: socket('10.0.0.1:1'), destination: socket('[fd00::2]:2') },
        values: [{ type: 0xd0, value: Buffer.from('x') }],
      },
      hex(SIGNATURE, '21 00 0004', 'd0 0001 78'),
    ],
    ['nothing', { ends: undefined, values: [] }, hex(SIGNATURE, '21 00 0000')],
  ])('%s', (_, header, bytes) => {
    expect(encodeProxyHeader(header).toString('hex')).toBe(bytes.toString('hex'))
  })

  it('refuses a value that its length field cannot tell', () => {
    const values = [{ type: 0xd0, value: Buffer.alloc(65_536) }]
    expect(() => encodeProxyHeader({ ends: undefined, values })).toThrow(RangeError)
  })
})

describe('reading a PROXY header', () => {
  const ends = fc
    .tuple(fc.boolean(), fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 }))
    .map(([isV4, from, to]) => ({
      source: socket(isV4 ? `192.0.2.1:${from}` : `[2001:db8::1]:${from}`),
      destination: socket(isV4 ? `192.0.2.2:${to}` : `[2001:db8::2]:${to}`),
    }))
  const values = fc.array(
    fc.record({ type: fc.integer({ min: 0, max: 255 }), value: fc.uint8Array({ maxLength: 40 }) }),
    { maxLength: 5 },
  )
  const headers = fc.record({ ends: fc.option(ends, { nil: undefined }), values })

  it('gives back what was written, however much comes behind it', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 20 }), (header, behind) => {
        const written = encodeProxyHeader(header)
        const read = readProxyHeader(Buffer.concat([written, behind]), MAX)
        expect(read).toMatchObject({ kind: 'header', bytes: written.length })
        if (read.kind !== 'header') return
        expect(read.header.ends).toEqual(header.ends)
        expect(read.header.values.map(({ type, value }) => [type, [...value]])).toEqual(
          header.values.map(({ type, value }) => [type, [...value]]),
        )
      }),
    )
  })

  it('asks for more at every cut, and never for more than there is to come', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const written = encodeProxyHeader(header)
        for (let cut = 0; cut < written.length; cut++) {
          const read = readProxyHeader(written.subarray(0, cut), MAX)
          expect(read.kind).toBe('more')
          if (read.kind === 'more') {
            expect(read.needed).toBeGreaterThan(cut)
            expect(read.needed).toBeLessThanOrEqual(written.length)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('never throws, whatever comes', () => {
    const tails = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.concat([hex(SIGNATURE), bytes]))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), tails), (bytes) => {
        expect(['header', 'more', 'invalid']).toContain(readProxyHeader(bytes, MAX).kind)
      }),
    )
  })

  it.each<[string, Buffer, string]>([
    ['another protocol, at its first byte', Buffer.from('G'), 'PROXY header: does not begin with a PROXY v2 signature'],
    ['version 1', Buffer.from('PROXY TCP4 '), 'PROXY header: does not begin with a PROXY v2 signature'],
    ['another version', hex(SIGNATURE, '11 11 0000'), 'PROXY header: unknown command 0x11'],
    ['another command', hex(SIGNATURE, '22 11 0000'), 'PROXY header: unknown command 0x22'],
    [
      'a longer header than is taken, before it is there',
      hex(SIGNATURE, '21 11 ffff'),
      'PROXY header: 65551 bytes long, 1024 are taken',
    ],
    ['UDP', hex(SIGNATURE, '21 12 000c', '00'.repeat(12)), 'PROXY header: unsupported protocol 0x12'],
    ['a unix socket', hex(SIGNATURE, '21 31 0000'), 'PROXY header: unsupported protocol 0x31'],
    ['addresses cut short', hex(SIGNATURE, '21 21 000c', '00'.repeat(12)), 'PROXY header: too short for its addresses'],
    ['a value without its head', hex(SIGNATURE, '21 00 0002', 'd000'), 'PROXY header: a value runs over the end'],
    [
      'a value longer than the header',
      hex(SIGNATURE, '21 00 0004', 'd0000900'),
      'PROXY header: a value runs over the end',
    ],
  ])('refuses %s', (_, bytes, reason) => {
    expect(readProxyHeader(bytes, MAX)).toEqual({ kind: 'invalid', reason })
  })

  it('takes no ends from a sender that talks for itself', () => {
    const local = hex(SIGNATURE, '20 11 000c', '0a000001 0a000002 0001 0002')
    expect(readProxyHeader(local, MAX)).toEqual({ kind: 'header', header: { ends: undefined, values: [] }, bytes: 28 })
  })
})
