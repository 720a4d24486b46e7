import { expect, it } from 'vitest'
import { hotSlabs, quietReadBuffer, type Slab, SocketReader, smallSlabs } from '#shared/net'

/** Plays the kernel: asks for a buffer, fills it with up to `bytes`, tells. */
function read(reader: SocketReader, bytes: number): { readonly buffer: Uint8Array; readonly wantsMore: boolean } {
  const buffer = reader.onread.buffer()
  return { buffer, wantsMore: reader.onread.callback(Math.min(bytes, buffer.length), buffer) }
}

function readerOf(kept: Slab[] = [], keeps = false): { reader: SocketReader; told: string[] } {
  const told: string[] = []
  const reader = new SocketReader(9, {
    onQuietRead(_buffer, bytes) {
      told.push(`quiet ${bytes}`)
      return true
    },
    onBulkRead(slab, start, end) {
      told.push(`bulk ${start} ${end}`)
      if (keeps) {
        slab.retain()
        kept.push(slab)
      }
      return false
    },
  })
  return { reader, told }
}

it('reads small things into the shared buffer', () => {
  const { reader, told } = readerOf()
  expect(read(reader, 100).buffer).toBe(quietReadBuffer)
  expect(read(reader, 65_535).buffer).toBe(quietReadBuffer)
  expect(told).toEqual(['quiet 100', 'quiet 65535'])
})

it('reads bulk behind the headroom of a slab of its own, as soon as the shared buffer was filled', () => {
  const { reader, told } = readerOf()
  read(reader, 1e9)
  const { buffer, wantsMore } = read(reader, 1e9)
  expect(buffer.length).toBe(hotSlabs.slabBytes - 9)
  expect(buffer.byteOffset).toBe(9)
  expect(wantsMore).toBe(false)
  expect(told).toEqual(['quiet 65536', `bulk 9 ${hotSlabs.slabBytes}`])
  expect(read(reader, 50_000).buffer.buffer).toBe(buffer.buffer)
  reader.close()
})

it('takes another slab while the last is held', () => {
  const kept: Slab[] = []
  const { reader } = readerOf(kept, true)
  read(reader, 1e9)
  const first = read(reader, 1e9).buffer
  const second = read(reader, 1e9).buffer
  expect(second.buffer).not.toBe(first.buffer)
  reader.close()
  for (const slab of kept) slab.release()
})

it('goes back to the shared buffer after a few small reads, and holds no slab then', () => {
  const live = hotSlabs.liveCount
  const { reader } = readerOf()
  read(reader, 1e9)
  for (let i = 0; i < 6; i++) read(reader, 10)
  expect(reader.onread.buffer()).toBe(quietReadBuffer)
  expect(hotSlabs.liveCount).toBe(live)
})

it('makes do with small slabs, then with the shared buffer, when too many sockets are hot', () => {
  const taken: Slab[] = []
  for (const pool of [hotSlabs, smallSlabs])
    for (let slab = pool.tryAcquire(); slab !== undefined; slab = pool.tryAcquire()) taken.push(slab)
  const { reader } = readerOf()
  read(reader, 1e9)
  expect(read(reader, 1e9).buffer).toBe(quietReadBuffer)
  taken.pop()?.release()
  expect(read(reader, 1e9).buffer.length).toBe(smallSlabs.slabBytes - 9)
  reader.close()
  for (const slab of taken) slab.release()
})
