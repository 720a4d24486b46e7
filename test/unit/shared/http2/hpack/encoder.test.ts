import { describe, expect, it } from 'vitest'
import { HpackDecoder, HpackEncoder } from '../../../../../src/shared/http2/hpack/index.ts'
import type { HeaderList } from '../../../../../src/shared/http2/types.ts'

const request: HeaderList = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.7:8080'],
  ['baggage', 'k8s.namespace.name=shop,service.name=web'],
]

function hex(encoder: HpackEncoder, headers: HeaderList): string {
  return encoder.encode(headers).toString('hex')
}

function decoderOf(maxTableBytes = 4096): HpackDecoder {
  return new HpackDecoder({ maxTableBytes, maxListBytes: 65_536, maxFields: 1000 })
}

describe('what is written', () => {
  it('is the block of RFC 7541 C.4.1, and references when repeated', () => {
    const encoder = new HpackEncoder(4096)
    const headers: HeaderList = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'www.example.com'],
    ]
    expect(hex(encoder, headers)).toBe('8286418cf1e3c2e5f23a6ba0ab90f4ff')
    expect(hex(encoder, headers)).toBe('8286be')
  })

  it('is one octet for each repeated field of a CONNECT', () => {
    const encoder = new HpackEncoder(4096)
    encoder.encode(request)
    expect(encoder.encode(request)).toHaveLength(request.length)
  })

  it('is a plain string where Huffman coding would not be shorter', () => {
    expect(hex(new HpackEncoder(0), [['a', '\u0000\u0001']])).toBe('20 00 01 61 02 0001'.replaceAll(' ', ''))
  })

  it.each([
    ['authorization', 'Bearer x'],
    ['proxy-authorization', 'Basic x'],
    ['cookie', 'pin=1234'],
  ])('never indexes %s', (name, value) => {
    const encoder = new HpackEncoder(4096)
    const block = encoder.encode([[name, value]])
    expect(block[0]! & 0xf0).toBe(0x10)
    expect(encoder.tableEntries).toBe(0)
    expect(decoderOf().decode(block, 0, block.length)).toEqual([[name, value, true]])
  })

  it('keeps a field never-indexed that came so, though the table holds the same text', () => {
    const encoder = new HpackEncoder(4096)
    encoder.encode([['x-token', 'abc']])
    expect(encoder.encode([['x-token', 'abc', true]])[0]! & 0xf0).toBe(0x10)
  })

  it('indexes a name whose values seldom repeat once, for the name', () => {
    const encoder = new HpackEncoder(4096)
    for (let i = 0; i < 10; i++) encoder.encode([['traceparent', `00-${i}`]])
    expect(encoder.tableEntries).toBe(1)
    expect(hex(encoder, [['traceparent', '~']])).toBe('0f2f017e')
  })

  it('does not index a field that would take most of the table', () => {
    const encoder = new HpackEncoder(4096)
    encoder.encode([['a', 'x'.repeat(3100)]])
    expect(encoder.tableEntries).toBe(0)
  })
})

describe('the table', () => {
  it('stays within what the peer allows, and both ends agree through evictions', () => {
    const encoder = new HpackEncoder(4096)
    const decoder = decoderOf()
    for (let i = 0; i < 500; i++) {
      const headers: HeaderList = [...request, ['x-tenant', `tenant-${i % 90}`], [`x-name-${i % 70}`, 'v']]
      const block = encoder.encode(headers)
      expect(decoder.decode(block, 0, block.length)).toEqual(headers)
      expect(decoder.tableBytes).toBe(encoder.tableBytes)
      expect(encoder.tableBytes).toBeLessThanOrEqual(4096)
    }
  })

  it('signals the smallest and the last size when the peer changed it twice between blocks', () => {
    const encoder = new HpackEncoder(4096)
    encoder.encode(request)
    encoder.setPeerTableBytes(64)
    encoder.setPeerTableBytes(1024)
    expect(hex(encoder, [[':method', 'GET']])).toBe('3f213fe10782')
    expect(hex(encoder, [[':method', 'GET']])).toBe('82')
  })

  it('never grows above what this side keeps, and says so in its first block', () => {
    const encoder = new HpackEncoder(100)
    encoder.setPeerTableBytes(1_000_000)
    expect(hex(encoder, [[':method', 'GET']])).toBe('3f4582')
  })

  it('may grow above the default when both sides want it', () => {
    const encoder = new HpackEncoder(16_384)
    encoder.setPeerTableBytes(16_384)
    const decoder = decoderOf(16_384)
    for (let i = 0; i < 150; i++) {
      const block = encoder.encode([['x-id', `${i}`.padEnd(40, 'x')]])
      decoder.decode(block, 0, block.length)
    }
    expect(decoder.tableBytes).toBe(encoder.tableBytes)
    expect(decoder.tableBytes).toBeGreaterThan(8192)
  })
})

it('refuses text that is not octets and stays in step with the peer', () => {
  const encoder = new HpackEncoder(4096)
  const decoder = decoderOf()
  const first = encoder.encode(request)
  decoder.decode(first, 0, first.length)
  expect(() => encoder.encode([['x-lost', 'entry'], ['x-name', 'snow\u2603'], ...request])).toThrow(RangeError)
  const next = encoder.encode(request)
  expect(decoder.decode(next, 0, next.length)).toEqual(request)
  expect(decoder.tableBytes).toBe(encoder.tableBytes)
})
