import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type ChannelRequest, createTunnelPool } from '#shared/hbone'
import { acceptH2, connectH2, type H2ClientConnection, type H2Connection, type H2RequestListener } from '#shared/http2'
import type { IpAddress } from '#shared/net'
import { MessageCollector } from '../../../support/h2-exchange.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { keyOf, listenChannels, TestDialer, until } from '../../../support/tunnel-ends.ts'

const MIB = 1 << 20
const ca = new MemoryCa()
const web = ca.issue(ca.id('shop', 'web'))
const cart = ca.issue(ca.id('shop', 'cart'))
const authority = { kind: 'address', ip: '10.0.0.7' as IpAddress, port: 8080 } as const
const GET = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'cart'],
  [':path', '/'],
] as const

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

const echo: H2RequestListener = (stream) => {
  const request = new MessageCollector()
  request.stream = stream
  void request.message.then(({ body, trailers }) => {
    stream.respond([[':status', '200']])
    return request.send(body, trailers)
  })
  return request
}

/** HTTP/2 inside one tunnel stream of HTTP/2. */
async function inside(
  listener: H2RequestListener,
): Promise<{ readonly client: H2ClientConnection; readonly server: H2Connection }> {
  const accepted = Promise.withResolvers<ChannelRequest>()
  const acceptor = await listenChannels(cart, accepted.resolve)
  const pool = createTunnelPool({ clock: systemClock })
  opened.push(pool, acceptor)
  const key = keyOf(web.id, acceptor.address, cart.id)
  const opening = pool.connectChannel(key, new TestDialer(acceptor.address, web), { authority, headers: [] })
  const server = acceptH2((await accepted.promise).acceptChannel(), listener)
  return { client: connectH2((await opening).channel), server }
}

describe('HTTP/2 inside a tunnel', () => {
  it('carries bodies larger than every window of both layers, on several streams at once', async () => {
    const { client } = await inside(echo)
    const bodies = [6 * MIB, 100, 5 * MIB, 0].map((bytes) => randomBytes(bytes))
    const messages = bodies.map((body) => {
      const answer = new MessageCollector()
      answer.stream = client.request([...GET, ['content-length', String(body.length)]], answer)
      void answer.send(body, [['sum', 'x']])
      return answer.message
    })
    for (const [i, message] of (await Promise.all(messages)).entries()) {
      expect(message.body.equals(bodies[i] as Buffer)).toBe(true)
      expect(message.trailers).toEqual([['sum', 'x']])
    }
  })

  it('ends in order on drain, and its tunnel stream with it', async () => {
    const { client, server } = await inside(echo)
    const answer = new MessageCollector()
    answer.stream = client.request(GET, answer)
    await until(() => server.streamCount === 1)
    const drained = server.drain({ mode: 'graceful', deadlineMs: 5_000 })
    await answer.send(Buffer.from('last'))
    expect((await answer.message).body.toString()).toBe('last')
    await drained
    await until(() => !client.isUsable)
  })

  it('tells the streams of both ends when the tunnel is lost', async () => {
    const requests: MessageCollector[] = []
    const { client } = await inside(() => {
      const request = new MessageCollector()
      requests.push(request)
      return request
    })
    const answer = new MessageCollector()
    answer.stream = client.request(GET, answer)
    await until(() => requests.length === 1)
    for (const one of opened.splice(0)) await one.close()
    await expect(answer.message).rejects.toThrow(/reset/)
    await expect(requests[0]?.message).rejects.toThrow(/reset/)
  })

  it('ends with GOAWAY what is no HTTP/2', async () => {
    const accepted = Promise.withResolvers<ChannelRequest>()
    const acceptor = await listenChannels(cart, accepted.resolve)
    const pool = createTunnelPool({ clock: systemClock })
    opened.push(pool, acceptor)
    const key = keyOf(web.id, acceptor.address, cart.id)
    const opening = pool.connectChannel(key, new TestDialer(acceptor.address, web), { authority, headers: [] })
    const server = acceptH2((await accepted.promise).acceptChannel(), echo)
    const closed = new Promise<string>((resolve) => {
      server.onClosed = resolve
    })
    const { channel } = await opening
    channel.start({ onBytes() {}, onEnd: () => channel.end(), onWritable() {}, onClosed() {} })
    channel.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 0, 18)
    expect(await closed).toMatch(/preface/)
  })
})
