import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ChannelCopy, socketChannel } from '#shared/net'
import { CollectingReceiver } from '../../../support/collecting-receiver.ts'
import { type SocketPair, tcpPair, tlsPair } from '../../../support/socket-pairs.ts'
import { until } from '../../../support/tunnel-ends.ts'

const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

async function pair(make: () => Promise<SocketPair>): Promise<SocketPair> {
  const made = await make()
  for (const socket of [made.client, made.server]) {
    socket.on('error', () => {})
    sockets.push(socket)
  }
  return made
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once('close', () => resolve()))
}

describe.each([
  ['TCP', () => tcpPair({ allowHalfOpen: true })],
  ['TLS', tlsPair],
])('a socket as a byte channel, over %s', (_, make) => {
  it('carries bytes both ways, those that came before its start among them', async () => {
    const { client, server } = await pair(make)
    client.write('early')
    const channel = socketChannel(server)
    const received = new CollectingReceiver(channel)
    channel.start(received)
    await until(() => received.text === 'early')
    channel.write(Buffer.from('[answer]'), 1, 7)
    expect(String((await once(client, 'data'))[0])).toBe('answer')
  })

  it('ends one way at a time, and closes without an error', async () => {
    const { client, server } = await pair(make)
    const channel = socketChannel(server)
    const received = new CollectingReceiver(channel)
    channel.start(received)
    client.resume()
    client.end('last')
    await received.ended
    expect(received.text).toBe('last')
    channel.write(Buffer.from('bye'), 0, 3)
    channel.end()
    expect(await received.closed).toBeUndefined()
    expect(channel.isClosed).toBe(true)
  })

  it('is cut by destroy, without an error for its owner', async () => {
    const { client, server } = await pair(make)
    const channel = socketChannel(server)
    const received = new CollectingReceiver(channel)
    channel.start(received)
    client.resume()
    channel.destroy()
    expect(await received.closed).toBeUndefined()
    await closeOf(client)
    channel.write(Buffer.from('late'), 0, 4)
    expect(channel.isCongested).toBe(false)
  })

  it('stops reading at 64 KiB that nobody has consumed, and goes on behind them', async () => {
    const { client, server } = await pair(make)
    const channel = socketChannel(server)
    const received = new CollectingReceiver(channel)
    received.isConsuming = false
    channel.start(received)
    client.write(Buffer.alloc(1 << 20, 1))
    await until(() => received.receivedBytes >= 64 * 1024)
    expect(received.receivedBytes).toBeLessThanOrEqual(128 * 1024)
    received.isConsuming = true
    channel.consumed(received.receivedBytes)
    await until(() => received.receivedBytes === 1 << 20)
  })

  it('is congested while its peer does not read, and says when it is not', async () => {
    const { client, server } = await pair(make)
    const channel = socketChannel(server)
    const received = new CollectingReceiver(channel)
    channel.start(received)
    client.pause()
    const bytes = Buffer.alloc(16 << 20, 2)
    let isDone = false
    const writing = received.writeAll(bytes).then(() => {
      isDone = true
    })
    await until(() => channel.isCongested)
    expect(isDone).toBe(false)
    let read = 0
    client.on('data', (chunk: Buffer) => {
      read += chunk.length
    })
    client.resume()
    await writing
    await until(() => read === bytes.length)
  })

  it('tells an owner that comes late that it is gone', async () => {
    const { client, server } = await pair(make)
    const channel = socketChannel(server)
    channel.destroy()
    client.resume()
    await closeOf(client)
    const received = new CollectingReceiver(channel)
    channel.start(received)
    expect(await received.closed).toBeUndefined()
  })
})

describe('a reset by the peer', () => {
  it('is an error, and cuts the other side of a copy', async () => {
    const [left, right] = [await pair(() => tcpPair({ allowHalfOpen: true })), await pair(() => tcpPair())]
    const copy = new ChannelCopy(socketChannel(left.server), socketChannel(right.server))
    right.client.resume()
    left.client.resetAndDestroy()
    await closeOf(right.client)
    expect(await copy.done).toMatchObject({ endedBy: 'opener', error: { code: 'ECONNRESET' } })
  })
})
