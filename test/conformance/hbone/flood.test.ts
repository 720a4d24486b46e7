import { once } from 'node:events'
import { type ClientHttp2Session, connect as h2connect } from 'node:http2'
import { connect as netConnect } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { MemoryCa } from '../../support/memory-ca.ts'
import { type TlsTexts, tlsTextsOf } from '../../support/tls-texts.ts'
import { listenTunnels, type TestAcceptor, until } from '../../support/tunnel-ends.ts'

const ca = new MemoryCa()
const own = ca.issue(ca.id('shop', 'web'))
const FLOOD = 20_000
const MAX_ANSWER_MS = 1_000
/** The flooding client lives in this process too, and costs most of it. */
const MAX_GROWTH_BYTES = 256 << 20

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

async function acceptor(): Promise<TestAcceptor> {
  const server = await listenTunnels(own, (request) => {
    const { target } = request
    // As a policy would: one destination is for nobody.
    if (target.port === 81) request.refuse(401)
    else request.accept()
  })
  opened.push(server)
  return server
}

function session(server: TestAcceptor, texts: TlsTexts): ClientHttp2Session {
  const client = h2connect(`https://127.0.0.1:${server.address.port}`, {
    ...texts,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  client.on('error', () => {})
  opened.push({ close: () => client.destroy() })
  return client
}

async function answerTo(client: ClientHttp2Session, port: number): Promise<number> {
  const stream = client.request({ ':method': 'CONNECT', ':authority': `10.0.0.7:${port}` })
  stream.on('error', () => {})
  const [headers] = (await once(stream, 'response')) as [{ readonly ':status': number }]
  stream.close()
  return headers[':status']
}

describe('12: a flood of CONNECTs of one peer', () => {
  it('that are all refused starves no other peer, and leaves nothing behind', async () => {
    const server = await acceptor()
    const flooder = session(server, tlsTextsOf(ca, 'shop/flood'))
    const honest = session(server, tlsTextsOf(ca, 'shop/cart'))
    await answerTo(honest, 80)
    const before = process.memoryUsage().rss
    let refused = 0
    const flood = Array.from({ length: 100 }, async () => {
      for (let i = 0; i < FLOOD / 100; i++) if ((await answerTo(flooder, 81)) === 401) refused++
    })
    let isOver = false
    const all = Promise.all(flood).finally(() => {
      isOver = true
    })
    let worstMs = 0
    while (!isOver) {
      const startedMs = performance.now()
      expect(await answerTo(honest, 80)).toBe(200)
      worstMs = Math.max(worstMs, performance.now() - startedMs)
    }
    await all
    expect(refused).toBe(FLOOD)
    expect(worstMs).toBeLessThan(MAX_ANSWER_MS)
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES)
    await until(() => server.tunnels.every(({ connection }) => connection.streamCount === 0))
  })
})

describe('23: data before the hand-shake is done', () => {
  it('is no early data: it ends the connection, and nobody is let in', async () => {
    const server = await acceptor()
    const hello = await clientHello()
    const socket = netConnect(server.address.port, '127.0.0.1')
    opened.push({ close: () => void socket.destroy() })
    socket.on('error', () => {})
    // A record of application data right behind the ClientHello, as 0-RTT would send it.
    socket.write(Buffer.concat([hello, Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 7)]))
    await until(() => server.failures.length === 1)
    expect(server.failures[0]).toMatchObject({ code: 'CLIENT_HANDSHAKE_FAILED' })
    expect(server.tunnels).toEqual([])
  })
})

/** What a client of node:tls says first. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const transport = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk)
        done()
      },
    })
    const client = tlsConnect({ socket: transport, ALPNProtocols: ['h2'], rejectUnauthorized: false })
    client.on('error', () => {})
    opened.push({ close: () => void client.destroy() })
  })
}
