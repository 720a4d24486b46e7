import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { acceptH2, connectH2, FRAME_HEADER_BYTES, type H2ClientConnection, type H2Stream } from '#shared/http2'
import { hotSlabs, type Slab } from '#shared/net'
import { MessageCollector } from '../../../support/h2-exchange.ts'
import { tcpPair } from '../../../support/socket-pairs.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Our client, and a server that counts payload and consumes it as it comes. */
async function ends(): Promise<{ client: H2ClientConnection; wire: Socket; received: Map<number, number> }> {
  const sockets = await tcpPair()
  const received = new Map<number, number>()
  const server = acceptH2(sockets.server, (stream) => {
    received.set(stream.id, 0)
    return {
      onData(_slab: Slab, start: number, end: number) {
        received.set(stream.id, (received.get(stream.id) ?? 0) + end - start)
        stream.consumed(end - start)
      },
      onEnd() {},
      onReset() {},
      onWritable() {},
    }
  })
  const client = connectH2(sockets.client)
  cleanups.push(() => Promise.all([client.close(), server.close()]))
  return { client, wire: sockets.server, received }
}

function open(client: H2ClientConnection, handler = new MessageCollector()): H2Stream {
  return client.request(
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ],
    handler,
  )
}

describe('streams of one connection', () => {
  it('find room for small writes while bulk has filled its share of the queue', async () => {
    const { client, wire, received } = await ends()
    const [bulk, second, small] = [open(client), open(client), open(client)]
    await expect.poll(() => received.size).toBe(3)
    wire.pause()
    for (const stream of [bulk, second]) {
      for (let outcome = ''; outcome !== 'wait'; await turn()) {
        const slab = hotSlabs.acquire()
        outcome = stream.writeInPlace(slab, slab.buffer.length)
        slab.release()
        if (outcome === 'copy') break
      }
    }
    expect(small.write(Buffer.alloc(10_000), 0, 10_000)).toBe(10_000)
    wire.resume()
    await expect.poll(() => received.get(small.id)).toBe(10_000)
  })

  it('share the connection evenly when all want all of it', async () => {
    const { client, received } = await ends()
    const payload = Buffer.alloc(64 * 1024)
    const streams = Array.from({ length: 8 }, () => {
      const handler = new MessageCollector()
      const stream = open(client, handler)
      handler.onWritable = () => {
        while (stream.write(payload, 0, payload.length) === payload.length);
      }
      return { handler, stream }
    })
    for (const { handler } of streams) handler.onWritable()
    await expect
      .poll(() => [...received.values()].reduce((sum, bytes) => sum + bytes, 0), { timeout: 15_000 })
      .toBeGreaterThan(200_000_000)
    const shares = [...received.values()]
    expect(shares).toHaveLength(8)
    expect(Math.min(...shares) / Math.max(...shares)).toBeGreaterThan(0.5)
    for (const { handler, stream } of streams) {
      handler.onWritable = () => {}
      stream.reset(8)
    }
  })

  it('take one piece in place even when a frame is larger than the whole bound', async () => {
    const sockets = await tcpPair()
    const server = acceptH2(sockets.server, () => new MessageCollector())
    const client = connectH2(sockets.client, {
      limits: { maxQueuedStreamBytes: 1_000, maxQueuedConnectionBytes: 2_000 },
    })
    cleanups.push(() => Promise.all([client.close(), server.close()]))
    const stream = open(client)
    await expect.poll(() => client.peerMaxConcurrentStreams).toBe(200)
    const slab = hotSlabs.acquire()
    expect(stream.writeInPlace(slab, FRAME_HEADER_BYTES + 100_000)).toBe('taken')
    expect(stream.writeInPlace(slab, FRAME_HEADER_BYTES + 100_000)).toBe('wait')
    slab.release()
    expect(client.isUsable).toBe(true)
  })
})
