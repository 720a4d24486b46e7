import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Slab } from '#shared/net'
import { FrameReader, type PayloadWay } from '../../../../src/shared/http2/frame-reader.ts'
import { PREFACE, writeFrameHeader } from '../../../../src/shared/http2/frames.ts'

interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Uint8Array
}

function bytesOf(frames: readonly Frame[], hasPreface = false): Buffer {
  const parts = frames.flatMap(({ type, flags, streamId, payload }) => {
    const header = Buffer.alloc(9)
    writeFrameHeader(header, 0, payload.length, type, flags, streamId)
    return [header, payload]
  })
  return Buffer.concat(hasPreface ? [PREFACE, ...parts] : parts)
}

function slabOf(bytes: Buffer): Slab {
  return { buffer: bytes, isUnshared: false, retain: () => {}, release: () => {} }
}

/** What a reader tells of `bytes`, cut into pieces; adjoining payload is put together. */
function read(bytes: Buffer, pieces: readonly number[], hasPreface = false): string[] {
  const told: string[] = []
  let data: Buffer[] = []
  const way = (type: number): PayloadWay => (type === 0 ? 'stream' : type < 10 ? 'gather' : 'skip')
  const reader: FrameReader = new FrameReader(
    {
      onFrameStart() {
        told.push(`${reader.type} ${reader.flags} ${reader.streamId} ${reader.length}`)
        return way(reader.type)
      },
      onDataPiece: (slab, start, end) => void data.push(Buffer.from(slab.buffer.subarray(start, end))),
      onDataEnd(overheadBytes) {
        told.push(`data ${Buffer.concat(data).toString('hex')} +${overheadBytes}`)
        data = []
      },
      onFrame: (from, start, end) => void told.push(`frame ${from.subarray(start, end).toString('hex')}`),
    },
    hasPreface,
  )
  let at = 0
  try {
    for (const length of [...pieces, bytes.length]) {
      const end = Math.min(at + length, bytes.length)
      // A copy, so that nothing may rely on bytes of earlier pieces.
      const piece = Buffer.from(bytes.subarray(at, end))
      reader.feed(slabOf(piece), 0, piece.length)
      at = end
    }
    if (reader.isInsidePayload) told.push('inside a payload')
  } catch (error) {
    told.push(String(error))
  }
  return told
}

const PADDED = 0x8

const EXAMPLE: Frame[] = [
  { type: 4, flags: 0, streamId: 0, payload: Buffer.from('000300000064', 'hex') },
  { type: 1, flags: 4, streamId: 1, payload: Buffer.from('header block') },
  { type: 0, flags: 0, streamId: 1, payload: Buffer.from('payload') },
  { type: 0, flags: PADDED, streamId: 1, payload: Buffer.from([3, 65, 66, 0, 0, 0]) },
  { type: 0, flags: PADDED, streamId: 1, payload: Buffer.from([2, 0, 0]) },
  { type: 0, flags: PADDED, streamId: 1, payload: Buffer.from([0]) },
  { type: 0, flags: 1, streamId: 1, payload: Buffer.alloc(0) },
  { type: 77, flags: 255, streamId: 9, payload: Buffer.from('unknown') },
  { type: 77, flags: 0, streamId: 9, payload: Buffer.alloc(0) },
  { type: 4, flags: 1, streamId: 0, payload: Buffer.alloc(0) },
]

describe('the frame reader', () => {
  it('tells headers, payload without padding, and whole control frames', () => {
    expect(read(bytesOf(EXAMPLE), [])).toEqual([
      '4 0 0 6',
      'frame 000300000064',
      '1 4 1 12',
      `frame ${Buffer.from('header block').toString('hex')}`,
      '0 0 1 7',
      `data ${Buffer.from('payload').toString('hex')} +0`,
      '0 8 1 6',
      'data 4142 +4',
      '0 8 1 3',
      'data  +3',
      '0 8 1 1',
      'data  +1',
      '0 1 1 0',
      'data  +0',
      '77 255 9 7',
      '77 0 9 0',
      '4 1 0 0',
      'frame ',
    ])
  })

  it('tells the same however the bytes are cut in two', () => {
    const bytes = bytesOf(EXAMPLE, true)
    const whole = read(bytes, [], true)
    for (let cut = 0; cut <= bytes.length; cut++) expect(read(bytes, [cut], true)).toEqual(whole)
  })

  it('tells the same byte by byte', () => {
    const bytes = bytesOf(EXAMPLE, true)
    expect(read(bytes, Array(bytes.length).fill(1), true)).toEqual(read(bytes, [], true))
  })

  it('tells the same of any frames in any pieces', () => {
    const frame = fc.record({
      type: fc.integer({ min: 0, max: 12 }),
      flags: fc.integer({ min: 0, max: 255 }),
      streamId: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      payload: fc.uint8Array({ maxLength: 40 }),
    })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(30), { maxLength: 40 }), (frames, pieces) => {
        const bytes = bytesOf(frames)
        expect(read(bytes, pieces)).toEqual(read(bytes, []))
      }),
    )
  })

  it('ignores the reserved bit of stream ids', () => {
    const bytes = bytesOf([{ type: 0, flags: 0, streamId: 5, payload: Buffer.from('x') }])
    bytes[5] = 0x80
    expect(read(bytes, [])[0]).toBe('0 0 5 1')
  })

  it.each([
    ['a preface of HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\n\r\n'), true, 'no HTTP/2 preface'],
    [
      'a preface that differs in its last byte',
      Buffer.from(PREFACE.toString('latin1').replace(/\n$/, '\r'), 'latin1'),
      true,
      'no HTTP/2 preface',
    ],
    [
      'padding longer than the frame',
      bytesOf([{ type: 0, flags: PADDED, streamId: 1, payload: Buffer.from([3, 0, 0]) }]),
      false,
      'padding longer',
    ],
    [
      'padded without a length',
      bytesOf([{ type: 0, flags: PADDED, streamId: 1, payload: Buffer.alloc(0) }]),
      false,
      'without a pad length',
    ],
  ])('refuses %s', (_name, bytes, hasPreface, message) => {
    expect(read(bytes, [], hasPreface).at(-1)).toContain(message)
    expect(read(bytes, Array(bytes.length).fill(1), hasPreface).at(-1)).toContain(message)
  })
})
