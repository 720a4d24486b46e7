import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hotSlabs, smallSlabs } from '#shared/net'
import { FrameWriter } from '../../../../src/shared/http2/frame-writer.ts'
import type { QueuedStream } from '../../../../src/shared/http2/ledger.ts'
import { SendQueue } from '../../../../src/shared/http2/send-queue.ts'

/** A socket that takes a write when it is told to. */
class Wire {
  readonly written: Buffer[] = []
  #taken: (() => void) | undefined
  readonly write = (bytes: Uint8Array, onWritten: () => void): void => {
    if (this.#taken !== undefined) throw new Error('two writes in flight')
    this.written.push(Buffer.from(bytes))
    this.#taken = onWritten
  }
  take(): boolean {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
    return taken !== undefined
  }
  get bytes(): Buffer {
    return Buffer.concat(this.written)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function put(queue: SendQueue, text: string): void {
  const batch = queue.reserve(text.length)
  batch.write(text, queue.position, 'latin1')
  queue.commit(text.length)
}

describe('the send queue', () => {
  it('puts what is written in one turn of the loop into one write', async () => {
    const wire = new Wire()
    const queue = new SendQueue(wire.write, () => {})
    for (const text of ['one ', 'two ', 'three']) put(queue, text)
    expect(wire.written).toHaveLength(0)
    await turn()
    expect(wire.written.map(String)).toEqual(['one two three'])
    expect(queue.queuedBytes).toBe(13)
    wire.take()
    expect([queue.queuedBytes, queue.writtenTotal, queue.isIdle]).toEqual([0, 13, true])
  })

  it('gathers behind a write in flight, and goes on by itself', async () => {
    const wire = new Wire()
    let progress = 0
    const queue = new SendQueue(wire.write, () => progress++)
    put(queue, 'first')
    await turn()
    put(queue, 'a')
    put(queue, 'b')
    await turn()
    expect(wire.written.map(String)).toEqual(['first'])
    wire.take()
    expect(wire.written.map(String)).toEqual(['first', 'ab'])
    wire.take()
    expect(progress).toBe(2)
  })

  it('keeps slabs that are sent in place in order with what was copied', async () => {
    const wire = new Wire()
    const queue = new SendQueue(wire.write, () => {})
    const slab = hotSlabs.acquire()
    slab.buffer.write('SLAB')
    put(queue, 'before ')
    queue.appendSlab(slab, 4)
    slab.release()
    put(queue, ' behind')
    await turn()
    while (wire.take());
    expect(wire.bytes.toString()).toBe('before SLAB behind')
  })

  it('charges streams until their bytes are written', async () => {
    const wire = new Wire()
    const queue = new SendQueue(wire.write, () => {})
    const [a, b]: [QueuedStream, QueuedStream] = [{ queuedBytes: 0 }, { queuedBytes: 0 }]
    const frames = new FrameWriter(queue, 16_384, 4096)
    frames.data(a, 1, Buffer.alloc(10), 0, 10)
    frames.data(b, 3, Buffer.alloc(20), 5, 20)
    await turn()
    frames.data(a, 1, Buffer.alloc(7), 0, 7)
    expect([a.queuedBytes, b.queuedBytes]).toEqual([17, 15])
    wire.take()
    expect([a.queuedBytes, b.queuedBytes]).toEqual([7, 0])
    wire.take()
    expect([a.queuedBytes, b.queuedBytes]).toEqual([0, 0])
  })

  it('lets go of every slab when it is closed or idle', async () => {
    const before = [smallSlabs.liveCount, hotSlabs.liveCount]
    const wire = new Wire()
    const queue = new SendQueue(wire.write, () => {})
    put(queue, 'x')
    await turn()
    const slab = hotSlabs.acquire()
    queue.appendSlab(slab, 100)
    slab.release()
    put(queue, 'y')
    queue.close()
    wire.take()
    expect([smallSlabs.liveCount, hotSlabs.liveCount]).toEqual(before)
    const idle = new SendQueue(wire.write, () => {})
    put(idle, 'x')
    await turn()
    wire.take()
    expect([smallSlabs.liveCount, hotSlabs.liveCount]).toEqual(before)
  })

  it('writes every byte once and in order, and settles every charge, however writes and progress fall', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('copy' as const), stream: fc.nat(3), bytes: fc.integer({ min: 1, max: 40_000 }) }),
      fc.record({ kind: fc.constant('slab' as const), stream: fc.nat(3), bytes: fc.integer({ min: 10, max: 60_000 }) }),
      fc.record({ kind: fc.constant('take' as const), stream: fc.constant(0), bytes: fc.constant(0) }),
      fc.record({ kind: fc.constant('turn' as const), stream: fc.constant(0), bytes: fc.constant(0) }),
    )
    const live = [smallSlabs.liveCount, hotSlabs.liveCount]
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const wire = new Wire()
        const queue = new SendQueue(wire.write, () => {})
        const frames = new FrameWriter(queue, 16_384, 4096)
        const streams: QueuedStream[] = Array.from({ length: 4 }, () => ({ queuedBytes: 0 }))
        const expected: [number, number][] = []
        for (const { kind, stream, bytes } of steps) {
          if (kind === 'take') wire.take()
          else if (kind === 'turn') await turn()
          else if (kind === 'copy') {
            frames.data(streams[stream] as QueuedStream, stream, Buffer.alloc(bytes, stream), 0, bytes)
            expected.push([stream, bytes])
          } else {
            const slab = hotSlabs.acquire()
            slab.buffer.fill(stream, 9, 9 + bytes)
            frames.dataInPlace(streams[stream] as QueuedStream, stream, slab, 9 + bytes)
            slab.release()
            expected.push([stream, bytes])
          }
        }
        do await turn()
        while (wire.take())
        expect(framesIn(wire.bytes)).toEqual(merged(expected))
        expect(streams.map(({ queuedBytes }) => queuedBytes)).toEqual([0, 0, 0, 0])
        expect(queue.queuedBytes).toBe(0)
        expect([smallSlabs.liveCount, hotSlabs.liveCount]).toEqual(live)
      }),
      { numRuns: 60 },
    )
  })
})

/** Stream and payload bytes of adjoining DATA frames of one stream; the payload is the stream's id repeated. */
function framesIn(bytes: Buffer): [number, number][] {
  const frames: [number, number][] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    const stream = bytes.readUInt32BE(at + 5)
    const payload = bytes.subarray(at + 9, at + 9 + length)
    expect(payload.every((byte) => byte === stream)).toBe(true)
    frames.push([stream, length])
    at += 9 + length
  }
  return merged(frames)
}

function merged(frames: readonly [number, number][]): [number, number][] {
  const runs: [number, number][] = []
  for (const [stream, bytes] of frames) {
    const last = runs.at(-1)
    if (last?.[0] === stream) last[1] += bytes
    else runs.push([stream, bytes])
  }
  return runs
}

describe('the frame writer', () => {
  it('splits a header block at the frame size, with the end on the first frame and END_HEADERS on the last', async () => {
    const wire = new Wire()
    const queue = new SendQueue(wire.write, () => {})
    const frames = new FrameWriter(queue, 16_384, 4096)
    frames.headers(1, [['x-long', '~'.repeat(20_000)]], true)
    await turn()
    while (wire.take());
    const types: [number, number, number][] = []
    for (let at = 0; at < wire.bytes.length; ) {
      const length = wire.bytes.readUIntBE(at, 3)
      types.push([wire.bytes[at + 3] ?? -1, wire.bytes[at + 4] ?? -1, length])
      at += 9 + length
    }
    expect(types.map(([type, flags]) => [type, flags])).toEqual([
      [1, 0x1],
      [9, 0x4],
    ])
    expect(types.every(([, , length]) => length <= 16_384)).toBe(true)
  })

  it('cuts the debug text of a GOAWAY', async () => {
    const wire = new Wire()
    const queue = new SendQueue(wire.write, () => {})
    new FrameWriter(queue, 16_384, 4096).goaway(7, 11, 'x'.repeat(5_000))
    await turn()
    expect(wire.bytes.length).toBe(9 + 8 + 128)
    expect([wire.bytes.readUInt32BE(9), wire.bytes.readUInt32BE(13)]).toEqual([7, 11])
  })
})
