import { constants, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { FrameReader } from '#shared/web-socket'
import { HEADER_DICTIONARY } from '../../src/local/apiserver/streams/spdy/dictionary.ts'
import { dataHead, encodeControl, SpdyReader } from '../../src/local/apiserver/streams/spdy/frames.ts'
import { HeaderDecoder, readPairs } from '../../src/local/apiserver/streams/spdy/header-block.ts'

const OF_CLIENT = { from: 'client', maxMessageBytes: 1 << 20 } as const
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

/** The same bytes in pieces of the given sizes. */
function cut(whole: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    pieces.push(whole.subarray(at, at + size))
    at += size
  }
  pieces.push(whole.subarray(at))
  return pieces.filter((piece) => piece.length > 0)
}

/** A client's frame. */
function masked(opcode: number, payload: Buffer, key: Buffer, isFinal = true): Buffer {
  const length = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff]
  const [short = 0, ...rest] = length
  const body = payload.map((byte, i) => byte ^ (key[i & 3] ?? 0))
  return Buffer.concat([Buffer.from([(isFinal ? 0x80 : 0) | opcode, 0x80 | short, ...rest]), key, body])
}

/** What only expected errors may come out of. */
function expected(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError)
  }
}

describe('WebSocket frames', () => {
  const key = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((array) => Buffer.from(array))

  it('come out the same however they are cut and split into fragments', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(bytes, { minLength: 1, maxLength: 4 }), key), { maxLength: 6 }),
        fc.array(fc.nat(40)),
        (messages, cuts) => {
          const wire = messages.flatMap(([fragments, mask]) =>
            fragments.map((fragment, i) => masked(i === 0 ? 2 : 0, fragment, mask, i === fragments.length - 1)),
          )
          const reader = new FrameReader(OF_CLIENT)
          const read = cut(Buffer.concat(wire), cuts).flatMap((piece) => reader.read(piece))
          expect(read.map((frame) => (frame.kind === 'message' ? frame.payload.toString('hex') : frame.kind))).toEqual(
            messages.map(([fragments]) => Buffer.concat(fragments).toString('hex')),
          )
        },
      ),
    )
  })

  it('that are any bytes end in a known error, or in frames', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(20)), (wire, cuts) => {
        const reader = new FrameReader(OF_CLIENT)
        expected(() => {
          for (const piece of cut(wire, cuts)) reader.read(piece)
        })
      }),
    )
  })
})

describe('SPDY frames', () => {
  it('come out the same however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), bytes, fc.boolean()), { maxLength: 6 }),
        fc.array(fc.nat(40)),
        (frames, cuts) => {
          const wire = frames.flatMap(([id, payload, isLast]) => [dataHead(id, payload.length, isLast), payload])
          const reader = new SpdyReader()
          const read = cut(Buffer.concat(wire), cuts).flatMap((piece) => reader.read(piece))
          expect(read).toEqual(frames.map(([id, payload, isLast]) => ({ kind: 'data', id, isLast, payload })))
        },
      ),
    )
  })

  it('that are any bytes end in a known error, or in frames', () => {
    const control = fc.tuple(fc.integer({ min: 0, max: 10 }), bytes).map(([type, body]) => encodeControl(type, body))
    fc.assert(
      fc.property(fc.oneof(bytes, control), fc.array(fc.nat(20)), (wire, cuts) => {
        const reader = new SpdyReader()
        expected(() => {
          for (const piece of cut(wire, cuts)) reader.read(piece)
        })
      }),
    )
  })

  it('read header blocks that are any bytes as pairs, or refuse them', () => {
    fc.assert(fc.property(bytes, (block) => expected(() => readPairs(block))))
  })

  it('inflate blocks of one stream in their order, and refuse any other bytes', async () => {
    const text = fc.string({ maxLength: 60, unit: 'binary-ascii' })
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          text.map((name) => name.toLowerCase()),
          text,
          { maxKeys: 8 },
        ),
        bytes,
        async (headers, junk) => {
          const pairs = Object.entries(headers).flatMap(([name, value]) => [lengthed(name), lengthed(value)])
          const plain = Buffer.concat([number(Object.keys(headers).length), ...pairs])
          const block = deflateSync(plain, { dictionary: HEADER_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH })
          const decoder = new HeaderDecoder()
          expect(Object.fromEntries(await decoder.decode(block))).toEqual(headers)
          await decoder.decode(junk).catch((error) => expect(error).toBeInstanceOf(MeshError))
          decoder.close()
        },
      ),
    )
  })
})

function lengthed(text: string): Buffer {
  return Buffer.concat([number(text.length), Buffer.from(text, 'latin1')])
}

function number(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}
