import { expect, it } from 'vitest'
import { hotSlabs, quietReadBuffer, type Slab } from '#shared/net'
import { ReceiveBuffer } from '../../../../src/shared/http2/receive-buffer.ts'

interface Told {
  readonly slab: Slab
  readonly text: string
  readonly isOwn: boolean
}

function make(keeps = false): { buffer: ReceiveBuffer; told: Told[]; changes: () => number } {
  const told: Told[] = []
  let changes = 0
  const buffer = new ReceiveBuffer(
    (slab, start, end, isOwn) => {
      if (keeps) slab.retain()
      told.push({ slab, text: slab.buffer.toString('latin1', start, Math.min(end, start + 8)), isOwn })
    },
    () => changes++,
  )
  return { buffer, told, changes: () => changes }
}

/** Plays TLS, which hands over at most a record of 16 KiB. */
function read({ onread }: ReceiveBuffer, text: string, bytes = text.length): Uint8Array {
  const target = onread.buffer()
  Buffer.from(target.buffer, target.byteOffset, target.length).write(text, 'latin1')
  onread.callback(bytes, target)
  return target
}

it('shares one read buffer and one slab among quiet connections, and overwrites nothing that is held', () => {
  const [a, b] = [make(true), make(true)]
  expect(read(a.buffer, 'from a')).toBe(quietReadBuffer)
  expect(read(b.buffer, 'from b')).toBe(quietReadBuffer)
  expect(a.told[0]?.slab).toBe(b.told[0]?.slab)
  expect([a.told[0]?.text, b.told[0]?.text]).toEqual(['from a', 'from b'])
  expect(a.told[0]?.isOwn).toBe(false)
  a.told[0]?.slab.release()
  b.told[0]?.slab.release()
})

it('gives bulk a slab of its own, record behind record, and says when it changes', () => {
  const { buffer, told, changes } = make(true)
  const records = 40
  for (let i = 0; i < records; i++) read(buffer, `record ${i}`, 16_384)
  expect(told.map(({ text }) => text)).toEqual(Array.from({ length: records }, (_, i) => `record ${i}`.slice(0, 8)))
  expect(told.slice(0, 2).every(({ isOwn }) => !isOwn)).toBe(true)
  expect(told.slice(2).every(({ isOwn }) => isOwn)).toBe(true)
  expect(changes()).toBe(2)
  for (const { slab } of told) slab.release()
  buffer.close()
})

it('starts its slab over when nobody holds it', () => {
  const { buffer } = make()
  for (let i = 0; i < 2; i++) read(buffer, '', 16_384)
  const first = read(buffer, '', 16_384)
  const second = read(buffer, '', 16_384)
  expect([second.buffer, second.byteOffset]).toEqual([first.buffer, first.byteOffset])
  buffer.close()
})

it('gives the slab back when the connection goes quiet', () => {
  const live = hotSlabs.liveCount
  const { buffer } = make()
  for (let i = 0; i < 3; i++) read(buffer, '', 16_384)
  expect(hotSlabs.liveCount).toBe(live + 1)
  for (let i = 0; i < 4; i++) read(buffer, 'small')
  expect(buffer.onread.buffer()).toBe(quietReadBuffer)
  expect(hotSlabs.liveCount).toBe(live)
})

it('hands nothing on once it is stopped, and keeps its slab until the socket is closed', () => {
  const live = hotSlabs.liveCount
  const { buffer, told } = make()
  for (let i = 0; i < 3; i++) read(buffer, '', 16_384)
  buffer.stop()
  read(buffer, 'late', 16_384)
  expect(told).toHaveLength(3)
  expect(hotSlabs.liveCount).toBe(live + 1)
  buffer.close()
  expect(hotSlabs.liveCount).toBe(live)
})
