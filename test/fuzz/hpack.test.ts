import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HpackDecoder, type HpackDecoderLimits, HpackEncoder, HpackError } from '../../src/shared/http2/hpack/index.ts'
import type { HeaderField, HeaderList } from '../../src/shared/http2/types.ts'

const roomy: HpackDecoderLimits = { maxTableBytes: 8192, maxListBytes: 1 << 20, maxFields: 10_000 }

const octets = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
/** Few names and values, so that blocks repeat fields and meet the static table. */
const name = fc.oneof(
  fc.constantFrom(':method', ':path', 'cookie', 'authorization', 'x-a', 'x-b', 'traceparent'),
  octets,
)
const value = fc.oneof(fc.constantFrom('GET', '/', '', 'abc', 'x'.repeat(300)), octets)
const field: fc.Arbitrary<HeaderField> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(name, value) },
  { weight: 1, arbitrary: fc.tuple(name, value).map(([n, v]): HeaderField => [n, v, true]) },
)
const headerList: fc.Arbitrary<HeaderList> = fc.array(field, { maxLength: 20 })
const tableBytes = fc.oneof(fc.constantFrom(0, 1, 33, 4096, 8192), fc.nat(8192))

type Step = { readonly headers: HeaderList } | { readonly peerTableBytes: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: headerList.map((headers): Step => ({ headers })) },
  { weight: 1, arbitrary: tableBytes.map((peerTableBytes): Step => ({ peerTableBytes })) },
)

const texts = (fields: HeaderList): string[][] => fields.map(([n, v]) => [n, v])

describe('header blocks', () => {
  it('come back as they were, whatever the table sizes do', () => {
    fc.assert(
      fc.property(tableBytes, fc.array(step, { maxLength: 30 }), (maxTableBytes, steps) => {
        const encoder = new HpackEncoder(maxTableBytes)
        const decoder = new HpackDecoder(roomy)
        for (const each of steps) {
          if ('peerTableBytes' in each) {
            encoder.setPeerTableBytes(each.peerTableBytes)
            continue
          }
          const block = encoder.encode(each.headers)
          const decoded = decoder.decode(block, 0, block.length)
          expect(texts(decoded)).toEqual(texts(each.headers))
          each.headers.forEach((sent, i) => {
            if (sent[2]) expect(decoded[i]?.[2]).toBe(true)
          })
          expect(decoder.tableBytes).toBe(encoder.tableBytes)
          expect(encoder.tableBytes).toBeLessThanOrEqual(maxTableBytes)
        }
      }),
    )
  })

  it('over a limit leave the table where a decoder without limits has it', () => {
    const tight: HpackDecoderLimits = { maxTableBytes: 8192, maxListBytes: 300, maxFields: 5 }
    fc.assert(
      fc.property(fc.array(headerList, { maxLength: 20 }), (lists) => {
        const encoder = new HpackEncoder(4096)
        const limited = new HpackDecoder(tight)
        const free = new HpackDecoder(roomy)
        for (const headers of lists) {
          const block = encoder.encode(headers)
          const expected = free.decode(block, 0, block.length)
          const bytes = expected.reduce((sum, [n, v]) => sum + n.length + v.length + 32, 0)
          const isOver = bytes > tight.maxListBytes || expected.length > tight.maxFields
          const actual = attempt(limited, block)
          expect(actual instanceof HpackError ? actual.kind : actual).toEqual(isOver ? 'limit' : expected)
          expect(limited.tableBytes).toBe(free.tableBytes)
        }
      }),
    )
  })

  it('made of arbitrary bytes end in fields within the limits or in a typed error', () => {
    const limits: HpackDecoderLimits = { maxTableBytes: 512, maxListBytes: 1000, maxFields: 10 }
    const anyBlock = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.array(likelyOctet, { maxLength: 300 }))
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 10 }), (blocks) => {
        const decoder = new HpackDecoder(limits)
        for (const octetsOfBlock of blocks) {
          const actual = attempt(decoder, Uint8Array.from(octetsOfBlock))
          expect(decoder.tableBytes).toBeLessThanOrEqual(4096)
          if (actual instanceof HpackError) {
            if (actual.kind === 'compression') return
            continue
          }
          expect(actual.length).toBeLessThanOrEqual(limits.maxFields)
          const bytes = actual.reduce((sum, [n, v]) => sum + n.length + v.length + 32, 0)
          expect(bytes).toBeLessThanOrEqual(limits.maxListBytes)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('cut off anywhere are never read as if they were whole', () => {
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 6 }), (headers) => {
        const block = Buffer.from(new HpackEncoder(4096).encode(headers))
        for (let end = 0; end < block.length; end++) {
          const actual = attempt(new HpackDecoder(roomy), block.subarray(0, end))
          if (actual instanceof HpackError) expect(actual.kind).toBe('compression')
          else expect(texts(actual)).toEqual(texts(headers).slice(0, actual.length))
        }
      }),
    )
  })
})

/** Octets that are likely to begin a representation that exists, so that blocks go deep. */
const likelyOctet = fc.oneof(
  fc.constantFrom(0x82, 0x84, 0xbe, 0xbf, 0x40, 0x00, 0x10, 0x20, 0x3f, 0x41, 0x01, 0x02, 0x81, 0x7f, 0xff),
  fc.nat(255),
)

function attempt(decoder: HpackDecoder, block: Uint8Array): HeaderField[] | HpackError {
  try {
    return decoder.decode(block, 0, block.length)
  } catch (error) {
    if (error instanceof HpackError) return error
    throw error
  }
}
