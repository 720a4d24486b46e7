import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SlabPool, SlabWriter, smallSlabs, tinySlabs } from '#shared/net'
import { FakeClock } from '../../../support/fake-clock.ts'

/** A socket that takes one write at a time, when told to. */
class SlowSocket extends Duplex {
  readonly written: Buffer[] = []
  #taken: (() => void) | undefined
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk))
    this.#taken = done
  }
  /** Takes the write in flight; false when there is none. */
  async takeWrite(): Promise<boolean> {
    const done = this.#taken
    this.#taken = undefined
    done?.()
    await new Promise((resolve) => setImmediate(resolve))
    return done !== undefined
  }
}

const pool = (): SlabPool =>
  new SlabPool({ slabBytes: 1024, maxFree: 100, maxLive: 100, trimIntervalMs: 1 }, new FakeClock())

describe('a slab writer', () => {
  it('has one write in flight, and puts small pieces behind it together', async () => {
    const socket = new SlowSocket()
    const taken: number[] = []
    const writer = new SlabWriter({ onTaken: (bytes) => taken.push(bytes) })
    writer.attach(socket as unknown as Socket)
    const slabs = pool()
    const slab = slabs.acquire()
    slab.buffer.fill('abcdefgh')
    for (let i = 0; i < 8; i++) writer.write(slab, i, i + 1)
    slab.release()
    expect(socket.written.map(String)).toEqual(['a'])
    expect(writer.pendingBytes).toBe(8)
    await socket.takeWrite()
    expect(socket.written.map(String)).toEqual(['a', 'bcdefgh'])
    expect(slabs.liveCount).toBe(0)
    await socket.takeWrite()
    expect(taken).toEqual([1, 7])
    expect(writer.pendingBytes).toBe(0)
  })

  it('does not let a slow socket pin a slab by a small piece of it', () => {
    const socket = new SlowSocket()
    const writer = new SlabWriter({ onTaken: () => {} })
    writer.attach(socket as unknown as Socket)
    const slabs = pool()
    for (let i = 0; i < 50; i++) {
      const slab = slabs.acquire()
      writer.write(slab, 0, 100)
      slab.release()
    }
    expect(slabs.liveCount).toBe(1)
  })

  it('pins a tiny slab for a little that waits, and a small one for more', () => {
    const live = (): readonly number[] => [tinySlabs.liveCount, smallSlabs.liveCount]
    const [tiny = 0, small = 0] = live()
    const writer = new SlabWriter({ onTaken: () => {} })
    writer.writeCopy(Buffer.alloc(3_000), 0, 3_000)
    expect(live()).toEqual([tiny + 1, small])
    writer.writeCopy(Buffer.alloc(3_000), 0, 3_000)
    expect(live()).toEqual([tiny + 1, small + 1])
    writer.discard()
    expect(live()).toEqual([tiny, small])
  })

  it('keeps what comes before there is a socket, and ends behind it', async () => {
    const socket = new SlowSocket()
    const writer = new SlabWriter({ onTaken: () => {} })
    const slab = pool().acquire()
    slab.buffer.fill('x')
    writer.write(slab, 0, 1000)
    writer.writeCopy(Buffer.from('tail'), 0, 4)
    writer.end()
    writer.attach(socket as unknown as Socket)
    const finished = new Promise((resolve) => socket.once('finish', resolve))
    while (await socket.takeWrite());
    await finished
    expect(Buffer.concat(socket.written).toString()).toBe(`${'x'.repeat(1000)}tail`)
  })

  it('releases everything when it discards', async () => {
    const socket = new SlowSocket()
    const writer = new SlabWriter({ onTaken: () => {} })
    writer.attach(socket as unknown as Socket)
    const slabs = pool()
    for (let i = 0; i < 5; i++) {
      const slab = slabs.acquire()
      writer.write(slab, 0, 1024)
      slab.release()
    }
    writer.discard()
    expect(slabs.liveCount).toBe(1)
    await socket.takeWrite()
    expect(slabs.liveCount).toBe(0)
    expect(socket.written).toHaveLength(1)
  })

  it('writes every byte once and in order, however pieces and progress fall', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('write' as const, 'copy' as const), bytes: fc.integer({ min: 1, max: 1024 }) }),
      fc.record({ kind: fc.constant('take' as const), bytes: fc.constant(0) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const socket = new SlowSocket()
        let reported = 0
        const writer = new SlabWriter({
          onTaken: (bytes) => {
            reported += bytes
          },
        })
        writer.attach(socket as unknown as Socket)
        const slabs = pool()
        const sent: Buffer[] = []
        let value = 0
        for (const { kind, bytes } of steps) {
          if (kind === 'take') {
            await socket.takeWrite()
            continue
          }
          const slab = slabs.acquire()
          slab.buffer.fill(++value % 256)
          sent.push(Buffer.from(slab.buffer.subarray(0, bytes)))
          if (kind === 'write') writer.write(slab, 0, bytes)
          else writer.writeCopy(slab.buffer, 0, bytes)
          slab.release()
        }
        while (await socket.takeWrite());
        expect(Buffer.concat(socket.written).equals(Buffer.concat(sent))).toBe(true)
        expect(reported).toBe(Buffer.concat(sent).length)
        expect([writer.pendingBytes, slabs.liveCount]).toEqual([0, 0])
      }),
      { numRuns: 50 },
    )
  })
})
