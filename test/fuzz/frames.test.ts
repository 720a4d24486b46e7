import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Slab } from '#shared/net'
import { FrameReader, type FrameSink, type PayloadWay } from '../../src/shared/http2/frame-reader.ts'
import { H2Error } from '../../src/shared/http2/h2-error.ts'
import { frame, PADDED, PREFACE } from '../support/h2-frames.ts'

/** Writes down what the reader says; treats DATA and two other kinds of frames in the three ways there are. */
class Scribe implements FrameSink {
  readonly lines: string[] = []
  /** Bytes of the longest payload that was put together. */
  longest = 0
  reader: FrameReader | undefined
  #data = ''

  /** Payload of a DATA frame that has not come to its end. */
  get unfinished(): string {
    return this.#data
  }

  onFrameStart(): PayloadWay {
    const { type = 0, flags = 0, streamId = 0, length = 0 } = this.reader ?? {}
    this.lines.push(`frame ${type} ${flags} ${streamId} ${length}`)
    if (type === 0) return 'stream'
    return type === 99 ? 'skip' : 'gather'
  }

  onDataPiece(slab: Slab, start: number, end: number): void {
    this.#data += slab.buffer.toString('hex', start, end)
  }

  onDataEnd(overheadBytes: number): void {
    this.lines.push(`data ${this.#data} overhead ${overheadBytes}`)
    this.#data = ''
  }

  onFrame(bytes: Buffer, start: number, end: number): void {
    this.longest = Math.max(this.longest, end - start)
    this.lines.push(`payload ${bytes.toString('hex', start, end)}`)
  }
}

function slabOf(bytes: Uint8Array): Slab {
  return { buffer: Buffer.from(bytes), isUnshared: true, retain() {}, release() {} }
}

/** What the reader says of these pieces, and how it ended. */
function read(pieces: readonly Uint8Array[], expectsPreface = false): Scribe {
  const scribe = new Scribe()
  const reader = new FrameReader(scribe, expectsPreface)
  scribe.reader = reader
  try {
    for (const piece of pieces) {
      const slab = slabOf(piece)
      reader.feed(slab, 0, slab.buffer.length)
    }
    scribe.lines.push(`unfinished ${scribe.unfinished}`)
  } catch (error) {
    if (!(error instanceof H2Error)) throw error
    scribe.lines.push(`error ${error.h2Code}`)
  }
  return scribe
}

/** Cuts at the given places, which may repeat. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end))
}

const anyFrame = fc
  .record({
    type: fc.constantFrom(0, 0, 0, 1, 4, 6, 9, 99),
    flags: fc.nat(255),
    streamId: fc.nat(2 ** 31 - 1),
    payload: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload))
const frames = fc.array(anyFrame, { maxLength: 12 }).map((list) => Buffer.concat(list))
const places = fc.array(fc.nat(1000), { maxLength: 20 })

describe('the frame reader', () => {
  it('says the same however its bytes are cut', () => {
    fc.assert(
      fc.property(frames, places, (bytes, at) => {
        const whole = read([bytes]).lines
        expect(read(cut(bytes, at)).lines).toEqual(whole)
        expect(read(Array.from(bytes, (octet) => Uint8Array.of(octet))).lines).toEqual(whole)
      }),
      { numRuns: 500 },
    )
  })

  it('says the same behind a preface', () => {
    fc.assert(
      fc.property(frames, places, (bytes, at) => {
        expect(read(cut(Buffer.concat([PREFACE, bytes]), at), true).lines).toEqual(read([bytes]).lines)
      }),
    )
  })

  it('hands on every payload octet of well-formed DATA, and nothing of its padding', () => {
    const padded = fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.nat(255)).map(([payload, padding]) => ({
      payload: Buffer.from(payload).toString('hex'),
      bytes: frame('DATA', PADDED, 1, Buffer.concat([Uint8Array.of(padding), payload, Buffer.alloc(padding, 0xee)])),
      overhead: padding + 1,
    }))
    fc.assert(
      fc.property(fc.array(padded, { maxLength: 8 }), places, (list, at) => {
        const { lines } = read(cut(Buffer.concat(list.map((one) => one.bytes)), at))
        const expected = list.map(({ payload, overhead }) => `data ${payload} overhead ${overhead}`)
        expect(lines.filter((line) => line.startsWith('data'))).toEqual(expected)
      }),
    )
  })

  it('reads arbitrary bytes without a fault of its own, and puts together no more than a frame says', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (pieces) => {
        const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
        expect(read(pieces).longest).toBeLessThanOrEqual(total)
        read(pieces, true)
      }),
      { numRuns: 1000 },
    )
  })
})
