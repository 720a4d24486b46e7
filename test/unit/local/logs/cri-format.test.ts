import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatTime,
  HEADER_BYTES,
  lineEnds,
  MAX_TEXT_BYTES,
  RecordDecoder,
  RecordEncoder,
} from '../../../../src/local/logs/cri-format.ts'

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const NOW = '2026-01-02T03:04:05.678000000Z'
const plain = { timestamps: false, sinceMs: undefined }

function encodeAll(chunks: readonly Uint8Array[]): Buffer {
  const encoder = new RecordEncoder('stdout')
  return Buffer.concat([...chunks.map((chunk) => encoder.encode(Buffer.from(chunk), NOW_MS)), encoder.end(NOW_MS)])
}

/** The same bytes cut at some places. */
const cutBytes = fc
  .tuple(
    fc.array(fc.oneof(fc.constant('\n'), fc.constant('x'.repeat(MAX_TEXT_BYTES)), fc.string({ unit: 'binary' }))),
    fc.array(fc.nat(), { maxLength: 8 }),
  )
  .map(([pieces, cuts]) => {
    const bytes = Buffer.from(pieces.join(''))
    const places = [0, ...cuts.map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length)).sort((a, b) => a - b)]
    return places.map((place, i) => bytes.subarray(place, places[i + 1]))
  })

describe('records of a container log', () => {
  it('have the time, the stream and the kind of each line before it', () => {
    expect(encodeAll([Buffer.from('one\n\ntwo')]).toString()).toBe(
      `${NOW} stdout F one\n${NOW} stdout F \n${NOW} stdout P two\n`,
    )
  })

  it('hold a line until it is complete', () => {
    const encoder = new RecordEncoder('stderr')
    expect(encoder.encode(Buffer.from('a'), NOW_MS).length).toBe(0)
    expect(encoder.encode(Buffer.from('b\nc'), NOW_MS).toString()).toBe(`${NOW} stderr F ab\n`)
    expect(encoder.encode(Buffer.from('\n'), NOW_MS).toString()).toBe(`${NOW} stderr F c\n`)
    expect(encoder.end(NOW_MS).length).toBe(0)
  })

  it.each([
    { length: MAX_TEXT_BYTES, tags: 'F' },
    { length: MAX_TEXT_BYTES + 1, tags: 'PF' },
    { length: 2 * MAX_TEXT_BYTES, tags: 'PF' },
    { length: 2 * MAX_TEXT_BYTES + 1, tags: 'PPF' },
  ])('split a line of $length bytes into $tags', ({ length, tags }) => {
    const records = encodeAll([Buffer.from(`${'x'.repeat(length)}\n`)])
      .toString()
      .split('\n')
    expect(
      records
        .slice(0, -1)
        .map((record) => record[38])
        .join(''),
    ).toBe(tags)
  })

  it('give back any bytes in any chunks', () => {
    fc.assert(
      fc.property(cutBytes, (chunks) => {
        expect(new RecordDecoder(plain).decode(encodeAll(chunks))).toEqual(Buffer.concat(chunks))
      }),
    )
  })

  it('are read by blocks of them as well as at once', () => {
    fc.assert(
      fc.property(cutBytes, fc.nat(), (chunks, cut) => {
        const records = encodeAll(chunks)
        const middle = records.lastIndexOf(10, records.length === 0 ? 0 : cut % records.length) + 1
        const asked = { timestamps: true, sinceMs: undefined }
        const decoder = new RecordDecoder(asked)
        const parts = [records.subarray(0, middle), records.subarray(middle)].map((part) => decoder.decode(part))
        expect(Buffer.concat(parts)).toEqual(new RecordDecoder(asked).decode(records))
      }),
    )
  })

  it('have a header of a fixed width, whatever the time', () => {
    for (const ms of [0, -1, NOW_MS, 1e18]) {
      const encoder = new RecordEncoder('stdout')
      expect(encoder.encode(Buffer.from('\n'), ms).length).toBe(HEADER_BYTES + 1)
    }
  })
})

describe('reading records', () => {
  const records = Buffer.from(`${formatTime(1_000)} stdout F old\n${formatTime(2_000)} stderr P new\n`)

  it.each([
    { asked: plain, lines: 'old\nnew' },
    {
      asked: { ...plain, timestamps: true },
      lines: '1970-01-01T00:00:01.000000000Z old\n1970-01-01T00:00:02.000000000Z new',
    },
    { asked: { ...plain, sinceMs: 2_000 }, lines: 'new' },
    { asked: { ...plain, sinceMs: 2_001 }, lines: '' },
    { asked: { ...plain, sinceMs: -1e18 }, lines: 'old\nnew' },
  ])('gives $lines', ({ asked, lines }) => {
    expect(new RecordDecoder(asked).decode(records).toString()).toBe(lines)
  })

  it('writes the time once for a line of many parts', () => {
    const parts = Buffer.from(`${NOW} stdout P a\n${NOW} stdout F b\n${NOW} stdout F c\n`)
    const lines = new RecordDecoder({ ...plain, timestamps: true }).decode(parts).toString()
    expect(lines).toBe(`${NOW} ab\n${NOW} c\n`)
  })

  it('leaves out what is no record', () => {
    const torn = Buffer.from(`dout F torn\n\n${NOW} stdout X what\n${NOW} stdout F good\n${NOW} std`)
    expect(new RecordDecoder(plain).decode(torn).toString()).toBe('good\n')
  })

  it('takes any bytes, and gives no more than it got', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const lines = new RecordDecoder({ timestamps: true, sinceMs: 0 }).decode(Buffer.from(bytes))
        expect(lines.length).toBeLessThanOrEqual(bytes.length)
        expect(lineEnds(Buffer.from(bytes)).every((end) => end <= bytes.length)).toBe(true)
      }),
    )
  })
})
