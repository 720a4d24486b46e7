import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { clientFrame, OPCODE, ServerFrameReader } from '../../../../src/shared/kube-client/web-socket-frames.ts'

/** As a server writes it: unmasked. */
function serverFrame(opcode: number, payload: Uint8Array, isFinal = true): Buffer {
  const { length } = payload
  const head =
    length < 126
      ? Buffer.from([0, length])
      : length < 65_536
        ? Buffer.from([0, 126, length >> 8, length & 255])
        : Buffer.from([0, 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255])
  head[0] = (isFinal ? 0x80 : 0) | opcode
  return Buffer.concat([head, payload])
}

function readAll(bytes: Buffer, cut: number): ReturnType<ServerFrameReader['read']> {
  const reader = new ServerFrameReader()
  const frames = []
  for (let at = 0; at < bytes.length; at += cut) frames.push(...reader.read(bytes.subarray(at, at + cut)))
  return frames
}

describe('frames of a WebSocket server', () => {
  it('are read from any cut, whatever their length', () => {
    const payloads = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(125, 126, 65_535, 65_536).map((n) => new Uint8Array(n)),
      ),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(payloads, fc.integer({ min: 1, max: 70_000 }), (all, cut) => {
        const bytes = Buffer.concat(all.map((payload) => serverFrame(OPCODE.binary, payload)))
        expect(readAll(bytes, Math.max(cut, bytes.length >> 9))).toEqual(
          all.map((payload) => ({ kind: 'message', payload: Buffer.from(payload) })),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('put fragments together, with control frames in between', () => {
    const bytes = Buffer.concat([
      serverFrame(OPCODE.text, Buffer.from('a'), false),
      serverFrame(OPCODE.ping, Buffer.from('p')),
      serverFrame(OPCODE.continuation, Buffer.alloc(0), false),
      serverFrame(OPCODE.continuation, Buffer.from('b')),
      serverFrame(OPCODE.close, Buffer.from([3, 232, 111, 107])),
      serverFrame(OPCODE.close, Buffer.alloc(0)),
    ])
    expect(readAll(bytes, 3)).toEqual([
      { kind: 'ping', payload: Buffer.from('p') },
      { kind: 'message', payload: Buffer.from('ab') },
      { kind: 'close', code: 1000, reason: 'ok' },
      { kind: 'close', code: 1005, reason: '' },
    ])
  })

  it.each<[string, Buffer]>([
    ['masked', Buffer.from([0x82, 0x80])],
    ['with a reserved bit', Buffer.from([0xc2, 0])],
    ['of an unknown kind', Buffer.from([0x83, 0])],
    ['a control frame that is too long', Buffer.from([0x89, 126])],
    ['a control frame in fragments', Buffer.from([0x09, 0])],
    ['a continuation of nothing', serverFrame(OPCODE.continuation, Buffer.from('a'))],
    [
      'a message inside a message',
      Buffer.concat([serverFrame(OPCODE.text, Buffer.from('a'), false), serverFrame(OPCODE.text, Buffer.from('a'))]),
    ],
    ['too long', Buffer.from([0x82, 127, 0, 0, 0, 0, 255, 255, 255, 255])],
    ['too long for numbers', Buffer.from([0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255])],
  ])('are refused when one is %s', (_, bytes) => {
    expect(() => readAll(bytes, bytes.length)).toThrow(MeshError)
  })

  it('never fail in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          new ServerFrameReader().read(Buffer.from(bytes))
        } catch (error) {
          expect(error).toMatchObject({ code: 'STREAM_PROTOCOL_INVALID' })
        }
      }),
    )
  })
})

describe('frames of a client', () => {
  it('are masked, and hold what was given', () => {
    const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(125, 126, 65_535, 65_536))
    fc.assert(
      fc.property(lengths, (length) => {
        const payload = Buffer.alloc(length, 'xyz')
        const frame = clientFrame(OPCODE.binary, payload.subarray(0, 2), payload.subarray(2))
        expect(frame[0]).toBe(0x82)
        expect((frame[1] ?? 0) & 0x80).toBe(0x80)
        const short = (frame[1] ?? 0) & 0x7f
        const start = (short === 126 ? 4 : short === 127 ? 10 : 2) + 4
        const mask = frame.subarray(start - 4, start)
        const plain = frame.subarray(start).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
        expect(Buffer.from(plain).equals(payload)).toBe(true)
      }),
      { numRuns: 40 },
    )
  })
})
