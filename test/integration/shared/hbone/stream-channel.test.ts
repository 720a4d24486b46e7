import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type ChannelRequest, type ConnectRequest, createTunnelPool, type TunnelChannel } from '#shared/hbone'
import type { ByteChannel, IpAddress } from '#shared/net'
import { CollectingReceiver } from '../../../support/collecting-receiver.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { keyOf, listenChannels, TestDialer, until } from '../../../support/tunnel-ends.ts'

const MIB = 1 << 20
const ca = new MemoryCa()
const web = ca.issue(ca.id('shop', 'web'))
const cart = ca.issue(ca.id('shop', 'cart'))
const request: ConnectRequest = {
  authority: { kind: 'address', ip: '10.0.0.7' as IpAddress, port: 8080 },
  headers: [],
}

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

/** Both ends of one tunnel, the server's not yet started unless `isStarted`. */
async function tunnel(): Promise<{ client: TunnelChannel; server: ByteChannel; second: () => Promise<TunnelChannel> }> {
  const accepted = Promise.withResolvers<ChannelRequest>()
  const acceptor = await listenChannels(cart, (incoming) => accepted.resolve(incoming))
  const pool = createTunnelPool({ clock: systemClock })
  opened.push(pool, acceptor)
  const open = (): Promise<TunnelChannel> =>
    pool.connectChannel(keyOf(web.id, acceptor.address, cart.id), new TestDialer(acceptor.address, web), request)
  const opening = open()
  const server = (await accepted.promise).acceptChannel()
  return { client: await opening, server, second: open }
}

function started(channel: ByteChannel, isConsuming = true): CollectingReceiver {
  const receiver = new CollectingReceiver(channel)
  receiver.isConsuming = isConsuming
  channel.start(receiver)
  return receiver
}

describe('a tunnel as a byte channel', () => {
  it('carries bytes both ways, and what came before the start', async () => {
    const { client, server } = await tunnel()
    const mine = started(client.channel)
    client.channel.write(Buffer.from('early'), 0, 5)
    client.channel.write(Buffer.from('[and more]'), 1, 9)
    const echo = Buffer.from('answer')
    server.write(echo, 0, echo.length)
    await until(() => mine.text === 'answer')
    const theirs = started(server)
    await until(() => theirs.text === 'earlyand more')
  })

  it('ends one way at a time, and closes in order when both have', async () => {
    const { client, server } = await tunnel()
    const [mine, theirs] = [started(client.channel), started(server)]
    client.channel.write(Buffer.from('question'), 0, 8)
    client.channel.end()
    await theirs.ended
    expect(theirs.text).toBe('question')
    server.write(Buffer.from('answer'), 0, 6)
    server.end()
    await mine.ended
    expect(mine.text).toBe('answer')
    expect(await Promise.all([mine.closed, theirs.closed])).toEqual([undefined, undefined])
    expect([client.channel.isClosed, server.isClosed]).toEqual([true, true])
  })

  it('says end to an owner that starts late, behind what came before it', async () => {
    const { client, server } = await tunnel()
    client.channel.write(Buffer.from('all of it'), 0, 9)
    client.channel.end()
    server.end()
    await started(client.channel).closed
    const theirs = started(server)
    await theirs.ended
    expect(theirs.text).toBe('all of it')
    expect(await theirs.closed).toBeUndefined()
  })

  it('closes both sides at once when one destroys it, for the other not in order, and takes no more', async () => {
    const { client, server } = await tunnel()
    const [mine, theirs] = [started(client.channel), started(server)]
    client.channel.destroy()
    expect(await mine.closed).toBeUndefined()
    expect(await theirs.closed).toMatchObject({ code: 'TUNNEL_LOST' })
    server.write(Buffer.from('late'), 0, 4)
    expect(server.isCongested).toBe(false)
  })

  it('is lost with its connection, and says so', async () => {
    const { client, server } = await tunnel()
    const theirs = started(server)
    client.channel.start(new CollectingReceiver(client.channel))
    for (const one of opened.splice(0)) await one.close()
    expect(await theirs.closed).toMatchObject({ code: 'TUNNEL_LOST' })
  })

  it('holds a writer back at the window of who does not consume, and goes on when that does', async () => {
    const { client, server } = await tunnel()
    const theirs = started(server, false)
    const bytes = randomBytes(12 * MIB)
    const writing = started(client.channel).writeAll(bytes)
    await until(() => theirs.receivedBytes === 4 * MIB)
    expect(client.channel.isCongested).toBe(true)
    server.consumed(4 * MIB)
    theirs.isConsuming = true
    await writing
    await until(() => theirs.receivedBytes === bytes.length)
    expect(theirs.text === bytes.toString('latin1')).toBe(true)
  })

  it('sends all that waits before its end', async () => {
    const { client, server } = await tunnel()
    const theirs = started(server, false)
    const bytes = randomBytes(5 * MIB)
    client.channel.start(new CollectingReceiver(client.channel))
    client.channel.write(bytes, 0, bytes.length)
    client.channel.end()
    await until(() => theirs.receivedBytes === 4 * MIB)
    server.consumed(4 * MIB)
    await theirs.ended
    expect(theirs.receivedBytes).toBe(bytes.length)
  })
})
