import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { clientFrame, closePayload, FrameReader, OPCODE, type ReceivedFrame, serverFrame } from '#shared/web-socket'

const OF_SERVER = { from: 'server', maxMessageBytes: 16 << 20 } as const
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** As a server writes it: unmasked. */
function frameOf(opcode: number, payload: Uint8Array, isFinal = true): Buffer {
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

function readAll(bytes: Buffer, cut: number): readonly ReceivedFrame[] {
  const reader = new FrameReader(OF_SERVER)
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
        const bytes = Buffer.concat(all.map((payload) => frameOf(OPCODE.binary, payload)))
        expect(readAll(bytes, Math.max(cut, bytes.length >> 9))).toEqual(
          all.map((payload) => ({ kind: 'message', isText: false, payload: Buffer.from(payload) })),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('put fragments together, with control frames in between', () => {
    const bytes = Buffer.concat([
      frameOf(OPCODE.text, Buffer.from('a'), false),
      frameOf(OPCODE.ping, Buffer.from('p')),
      frameOf(OPCODE.continuation, Buffer.alloc(0), false),
      frameOf(OPCODE.continuation, Buffer.from('b')),
      frameOf(OPCODE.close, Buffer.from([3, 232, 111, 107])),
      frameOf(OPCODE.close, Buffer.alloc(0)),
    ])
    expect(readAll(bytes, 3)).toEqual([
      { kind: 'ping', payload: Buffer.from('p') },
      { kind: 'message', isText: true, payload: Buffer.from('ab') },
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
    ['a continuation of nothing', frameOf(OPCODE.continuation, Buffer.from('a'))],
    [
      'a message inside a message',
      Buffer.concat([frameOf(OPCODE.text, Buffer.from('a'), false), frameOf(OPCODE.text, Buffer.from('a'))]),
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
          new FrameReader(OF_SERVER).read(Buffer.from(bytes))
        } catch (error) {
          expect(error).toMatchObject({ code: 'STREAM_PROTOCOL_INVALID' })
        }
      }),
    )
  })
})

describe('frames of a client', () => {
  it.each([
    { says: 'is not masked', bytes: '82 01 00', problem: 'not masked' },
    { says: 'has a reserved bit', bytes: 'c2 80 00000000', problem: 'reserved bit' },
    { says: 'has an unknown opcode', bytes: '83 80 00000000', problem: 'opcode 3' },
    { says: 'is a ping in fragments', bytes: '09 80 00000000', problem: 'control frame' },
    { says: 'is a long ping', bytes: '89 fe 0080 00000000', problem: 'control frame' },
    { says: 'goes on with nothing', bytes: '80 80 00000000', problem: 'out of order' },
    { says: 'begins anew within a message', bytes: '02 80 00000000 02 80 00000000', problem: 'out of order' },
    { says: 'is longer than 1 MiB', bytes: '82 ff 0000000000100001 00000000', problem: 'too long' },
    { says: 'claims 2^63 bytes', bytes: '82 ff 8000000000000000 00000000', problem: 'too long' },
  ])('refuses a frame that $says', ({ bytes, problem }) => {
    expect(() => new FrameReader({ from: 'client', maxMessageBytes: 1 << 20 }).read(hex(bytes))).toThrow(problem)
  })

  it('counts all fragments of a message', () => {
    const reader = new FrameReader({ from: 'client', maxMessageBytes: 1 << 20 })
    const fragment = (opcode: number): Buffer =>
      Buffer.concat([Buffer.from([opcode, 0xff, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0]), Buffer.alloc(512 * 1024)])
    reader.read(fragment(2))
    reader.read(fragment(0))
    expect(() => reader.read(fragment(0))).toThrow('too long')
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 500 }), (payload, cut) => {
        const reader = new FrameReader({ from: 'client', maxMessageBytes: 400 })
        const bytes = clientFrame(OPCODE.text, payload)
        const read: ReceivedFrame[] = []
        for (let at = 0; at < bytes.length; at += cut) read.push(...reader.read(bytes.subarray(at, at + cut)))
        expect(read).toEqual([{ kind: 'message', isText: true, payload: Buffer.from(payload) }])
      }),
    )
  })

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

describe('frames that a server writes', () => {
  it.each([
    { bytes: 3, head: '82 03' },
    { bytes: 125, head: '82 7d' },
    { bytes: 126, head: '82 7e 007e' },
    { bytes: 65_535, head: '82 7e ffff' },
    { bytes: 65_536, head: '82 7f 0000000000010000' },
  ])('writes $bytes bytes with their length', ({ bytes, head }) => {
    const expected = hex(head)
    expect(serverFrame(2, Buffer.alloc(bytes)).subarray(0, expected.length)).toEqual(expected)
  })

  it('keeps a reason to close within a control frame', () => {
    expect(closePayload(1002, 'x'.repeat(500))).toHaveLength(125)
  })
})
