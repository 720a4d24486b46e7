import { once } from 'node:events'
import { connect as connectH2Node, type IncomingHttpHeaders } from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type ConnectTarget, createTunnelPool, type TunnelPool } from '#shared/hbone'
import type { Drainable } from '#shared/lifecycle'
import type { AppProtocol, Service } from '#shared/model'
import { type ByteChannel, ChannelCopy, type IpAddress, socketChannel } from '#shared/net'
import { connectHttp2, type Exchange, ListFields, serveHttp2 } from '../../../../src/waypoint/codec/index.ts'
import {
  type ConnectionOwner,
  IDENTIFY_TIMES,
  type InnerConnection,
  type Listener,
  listenPlain,
  listenTunnels,
  type Refusal,
} from '../../../../src/waypoint/listen/index.ts'
import type { Destination, WaypointView } from '../../../../src/waypoint/state/index.ts'
import { clientHello } from '../../../support/client-hello.ts'
import { CollectingReceiver } from '../../../support/collecting-receiver.ts'
import { bodyOf, sendBody } from '../../../support/http-exchange.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { service } from '../../../support/mesh-builder.ts'
import { keyOf, LOOPBACK, TestDialer, until } from '../../../support/tunnel-ends.ts'

const clock = systemClock
const ca = new MemoryCa()
const web = ca.issue(ca.id('shop', 'web'))
const waypoint = ca.issue(ca.id('shop', 'waypoint'))
const cart: Service = service({ name: 'cart', namespace: 'shop', hostname: 'cart.shop.svc.cluster.local' })
const AT = { ip: LOOPBACK, port: 0 }
const VIP = '10.96.0.7' as IpAddress

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

function destinationOf(appProtocol: AppProtocol | undefined): Destination {
  return { kind: 'service', service: cart, port: 80, appProtocol }
}

const view: Pick<WaypointView, 'destination'> = {
  destination: (target, port) => {
    const isOurs = 'ip' in target ? target.ip === VIP : target.hostname === cart.hostname
    return isOurs && port === 80 ? destinationOf('HTTP11') : undefined
  },
}

/** Keeps what is handed on; HTTP/2 is served, to be answered by `onExchange`. */
class Owner implements ConnectionOwner {
  dialForSilent?: () => Promise<ByteChannel | undefined>
  readonly connections: InnerConnection[] = []
  readonly drained: InnerConnection[] = []
  onExchange: (exchange: Exchange) => void = (exchange) => {
    void bodyOf(exchange.body).then(({ text }) =>
      sendBody(
        exchange.respond({ version: 'HTTP/2', status: 200, fields: new ListFields() }, undefined),
        Buffer.from(text),
      ),
    )
  }

  readonly serve = (connection: InnerConnection): Drainable => {
    this.connections.push(connection)
    if (connection.protocol === 'http2')
      return serveHttp2(connection, { clock, onExchange: (one) => this.onExchange(one) })
    return { drain: async () => void this.drained.push(connection) }
  }
}

interface Served {
  readonly listener: Listener
  readonly owner: Owner
  readonly pool: TunnelPool
  readonly refusals: Refusal[]
  open(target?: ConnectTarget): Promise<ByteChannel>
}

async function tunnels(): Promise<Served> {
  const owner = new Owner()
  const refusals: Refusal[] = []
  const listener = await listenTunnels(AT, {
    clock,
    view,
    owner,
    certificate: async () => waypoint,
    onRefused: (refusal) => refusals.push(refusal),
  })
  const pool = createTunnelPool({ clock })
  opened.push(pool, listener)
  const open = async (target: ConnectTarget = { kind: 'address', ip: VIP, port: 80 }): Promise<ByteChannel> => {
    const { channel } = await pool.connectChannel(
      keyOf(web.id, listener.address, waypoint.id),
      new TestDialer(listener.address, web),
      { authority: target, headers: [['baggage', 'k8s.pod.name=web']] },
    )
    return channel
  }
  return { listener, owner, pool, refusals, open }
}

async function plain(
  appProtocol: AppProtocol | undefined,
  times: Partial<typeof IDENTIFY_TIMES> = {},
): Promise<{ readonly owner: Owner; readonly listener: Listener; dial(): Promise<Socket> }> {
  const owner = new Owner()
  const listener = await listenPlain(AT, {
    clock,
    owner,
    destination: destinationOf(appProtocol),
    times: { ...IDENTIFY_TIMES, ...times },
  })
  opened.push(listener)
  const dial = async (): Promise<Socket> => {
    const socket = connect({ host: LOOPBACK, port: listener.address.port, allowHalfOpen: true })
    socket.on('error', () => {})
    opened.push({ close: () => void socket.destroy() })
    await once(socket, 'connect')
    return socket
  }
  return { owner, listener, dial }
}

/** However that comes about: `once` takes an error for its own. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once('close', () => resolve()))
}

function started(channel: ByteChannel): CollectingReceiver {
  const receiver = new CollectingReceiver(channel)
  channel.start(receiver)
  return receiver
}

describe('tunnels into a waypoint', () => {
  it('bring the peer, the address of its pod, what was dialled and the words about it', async () => {
    const { owner, open } = await tunnels()
    const channel = await open()
    channel.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 0, 18)
    await until(() => owner.connections.length === 1)
    expect(owner.connections[0]).toMatchObject({
      peer: web.id,
      source: { ip: LOOPBACK },
      destination: { kind: 'service', service: cart, port: 80 },
      protocol: 'http1',
      baggage: 'k8s.pod.name=web',
      dialled: { ip: VIP, port: 80 },
    })
    const received = started((owner.connections[0] as InnerConnection).channel)
    expect(received.text).toBe('GET / HTTP/1.1\r\n\r\n')
  })

  it('are served by host name, too', async () => {
    const { owner, open } = await tunnels()
    const channel = await open({ kind: 'hostname', hostname: cart.hostname, port: 80 })
    channel.write(Buffer.from('G'), 0, 1)
    await until(() => owner.connections.length === 1)
    expect(owner.connections[0]?.dialled).toBeUndefined()
  })

  it.each<[string, ConnectTarget]>([
    ['an address', { kind: 'address', ip: '10.0.0.1' as IpAddress, port: 80 }],
    ['a port', { kind: 'address', ip: VIP, port: 81 }],
    ['a name', { kind: 'hostname', hostname: 'elsewhere.example', port: 80 }],
  ])('are refused with 404 for %s that is not ours', async (_, target) => {
    const { owner, open, refusals } = await tunnels()
    await expect(open(target)).rejects.toMatchObject({ code: 'TUNNEL_REFUSED', message: 'http status: 404 Not Found' })
    expect(owner.connections).toEqual([])
    expect(refusals).toMatchObject([{ peer: web.id, reason: expect.stringContaining('does not serve') }])
  })

  it('carry HTTP/2 inside', async () => {
    const { open } = await tunnels()
    const client = connectHttp2(await open(), { clock })
    const fields = new ListFields()
    const head = { version: 'HTTP/2', method: 'POST', scheme: 'http', authority: 'cart', target: '/' } as const
    const attempt = client.send({ ...head, upgrade: undefined, fields }, undefined)
    void sendBody(attempt.body, Buffer.from('echoed'))
    expect((await bodyOf((await attempt.response).body)).text).toBe('echoed')
  })

  it('drain: clients are told to go elsewhere, requests under way finish, silent ones end', async () => {
    const { listener, owner, open } = await tunnels()
    const exchanges: Exchange[] = []
    owner.onExchange = (exchange) => exchanges.push(exchange)
    const client = connectHttp2(await open(), { clock })
    const silent = started(await open())
    const fields = new ListFields()
    const head = { version: 'HTTP/2', method: 'GET', scheme: 'http', authority: 'cart', target: '/' } as const
    const attempt = client.send({ ...head, upgrade: undefined, fields }, 0)
    await until(() => exchanges.length === 1)
    const drained = listener.drain({ mode: 'graceful', deadlineMs: 10_000 })
    await silent.closed
    await until(() => client.capacity === 0)
    const [exchange] = exchanges as [Exchange]
    const answer = exchange.respond({ version: 'HTTP/2', status: 200, fields: new ListFields() }, undefined)
    void sendBody(answer, Buffer.from('in time'))
    expect((await bodyOf((await attempt.response).body)).text).toBe('in time')
    await drained
    expect(listener.connectionCount).toBe(0)
    await expect(open()).rejects.toMatchObject({ code: 'UPSTREAM_CONNECT_FAILED' })
  })

  it('take 100 streams per connection, and 1,000 inner connections over more of them', async () => {
    const { listener, owner, open, pool } = await tunnels()
    const channels = await Promise.all(Array.from({ length: 1000 }, () => open()))
    expect(pool.connectionCount).toBeGreaterThanOrEqual(10)
    expect(listener.connectionCount).toBe(1000)
    for (const channel of channels) channel.write(Buffer.from('X'), 0, 1)
    await until(() => owner.connections.length === 1000)
    for (const channel of channels) channel.destroy()
    for (const { channel } of owner.connections) channel.start(new CollectingReceiver(channel))
    await until(() => listener.connectionCount === 0)
  })
})

describe('what is spoken', () => {
  it.each<[AppProtocol | undefined, string, string]>([
    ['HTTP11', 'GET / HTTP/1.1\r\n', 'http1'],
    ['HTTP11', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
    ['HTTP2', 'GET / HTTP/1.1\r\n', 'http1'],
    ['GRPC', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
    ['TLS', 'no TLS', 'tcp'],
    [undefined, 'GET / HTTP/1.1\r\n', 'http1'],
    [undefined, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
    [undefined, '*1\r\n$4\r\nPING\r\n', 'tcp'],
  ])('on a port of %s: %j is %s, cut at every byte', async (declared, text, expected) => {
    const { owner, dial } = await plain(declared, { serverFirstMs: 60_000 })
    const socket = await dial()
    socket.setNoDelay()
    for (const byte of Buffer.from(text)) {
      socket.write(Buffer.from([byte]))
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await until(() => owner.connections.length === 1)
    const [connection] = owner.connections as [InnerConnection]
    expect(connection.protocol).toBe(expected)
    if (expected === 'http2') return
    const received = started(connection.channel)
    await until(() => received.text === text)
  })

  it('is opaque at once on a port of TCP, without a byte', async () => {
    const { owner, dial } = await plain('TCP')
    await dial()
    await until(() => owner.connections.length === 1)
    expect(owner.connections[0]?.protocol).toBe('tcp')
  })

  it.each([['TLS' as const], [undefined]])('has the server name of TLS on a port of %s', async (declared) => {
    const { owner, dial } = await plain(declared)
    const socket = await dial()
    const hello = clientHello({ names: ['Cart.Example'] })
    socket.write(hello)
    await until(() => owner.connections.length === 1)
    const [connection] = owner.connections as [InnerConnection]
    expect(connection).toMatchObject({ protocol: 'tcp', sni: 'cart.example' })
    expect(started(connection.channel).text).toBe(hello.toString('latin1'))
  })

  it("has the name in node's own hello", async () => {
    const { owner, listener } = await plain('TLS')
    const client = connectTls({ host: LOOPBACK, port: listener.address.port, servername: 'cart.example' })
    client.on('error', () => {})
    opened.push({ close: () => void client.destroy() })
    await until(() => owner.connections.length === 1)
    expect(owner.connections[0]?.sni).toBe('cart.example')
  })

  it('is opaque on an undeclared port when the client waits for its server, and the rest follows', async () => {
    const { owner, dial } = await plain(undefined, { serverFirstMs: 20 })
    const socket = await dial()
    await until(() => owner.connections.length === 1)
    const [connection] = owner.connections as [InnerConnection]
    expect(connection.protocol).toBe('tcp')
    const received = started(connection.channel)
    connection.channel.write(Buffer.from('220 ready\r\n'), 0, 11)
    expect(String((await once(socket, 'data'))[0])).toBe('220 ready\r\n')
    socket.write('HELO\r\n')
    await until(() => received.text === 'HELO\r\n')
  })

  describe('on an undeclared port, when the client waits', () => {
    async function silent(): Promise<{
      readonly owner: Owner
      readonly client: Socket
      readonly server: Socket
      readonly listener: Listener
    }> {
      const accepted = Promise.withResolvers<Socket>()
      const backend = createServer({ allowHalfOpen: true }, accepted.resolve)
      backend.listen(0, LOOPBACK)
      await once(backend, 'listening')
      const { port } = backend.address() as { port: number }
      const { owner, dial, listener } = await plain(undefined, { serverFirstMs: 1 })
      owner.dialForSilent = async () => {
        const socket = connect({ host: LOOPBACK, port, allowHalfOpen: true })
        await once(socket, 'connect')
        return socketChannel(socket)
      }
      const client = await dial()
      const server = await accepted.promise
      server.on('error', () => {})
      opened.push({ close: () => void server.destroy() }, { close: () => void backend.close() })
      return { owner, client, server, listener }
    }

    it('is opaque once the server speaks, whose bytes are there', async () => {
      const { owner, client, server } = await silent()
      expect(owner.connections).toEqual([])
      server.write('220 ready')
      await until(() => owner.connections.length === 1)
      const [connection] = owner.connections as [InnerConnection]
      expect(connection.protocol).toBe('tcp')
      const copy = new ChannelCopy(connection.channel, connection.server as ByteChannel)
      expect(String((await once(client, 'data'))[0])).toBe('220 ready')
      client.end('QUIT')
      expect(String((await once(server, 'data'))[0])).toBe('QUIT')
      server.end()
      expect((await copy.done).endedBy).toBe('end')
    })

    it('is HTTP once the client asks at last, and what was dialled is closed', async () => {
      const { owner, client, server } = await silent()
      server.resume()
      const closed = closeOf(server)
      client.write('GET / HTTP/1.1\r\n')
      await until(() => owner.connections.length === 1)
      expect(owner.connections[0]).toMatchObject({ protocol: 'http1', server: undefined })
      await closed
    })

    it('goes on with the same server when the client speaks first after all', async () => {
      const { owner, client } = await silent()
      client.write('*1\r\n')
      await until(() => owner.connections.length === 1)
      expect(owner.connections[0]?.protocol).toBe('tcp')
      owner.connections[0]?.server?.destroy()
    })

    it('ends with its server', async () => {
      const { owner, server } = await silent()
      server.end()
      await until(() => owner.connections.length === 1)
      expect(owner.connections[0]).toMatchObject({ protocol: 'tcp', server: expect.anything() })
      owner.connections[0]?.server?.destroy()
    })

    it.each([
      ['has none', async () => undefined],
      ['cannot be reached', () => Promise.reject(new Error('refused'))],
    ])('is opaque when it %s', async (_, dialForSilent) => {
      const { owner, dial } = await plain(undefined, { serverFirstMs: 1 })
      owner.dialForSilent = dialForSilent
      await dial()
      await until(() => owner.connections.length === 1)
      expect(owner.connections[0]).toMatchObject({ protocol: 'tcp', server: undefined })
    })
  })

  it('is opaque when a hello is never complete, and nothing of it is lost', async () => {
    const { owner, dial } = await plain('TLS', { helloMs: 20 })
    const half = clientHello({ names: ['cart.example'] }).subarray(0, 40)
    const socket = await dial()
    socket.write(half)
    await until(() => owner.connections.length === 1)
    const [connection] = owner.connections as [InnerConnection]
    expect(connection).toMatchObject({ protocol: 'tcp', sni: undefined })
    const received = started(connection.channel)
    await until(() => received.text === half.toString('latin1'))
  })

  it('is opaque beyond the longest hello', async () => {
    const { owner, dial } = await plain('TLS', { helloMs: 60_000 })
    const socket = await dial()
    socket.write(
      clientHello({ extensions: Array.from({ length: 4 }, () => ({ type: 21, data: Buffer.alloc(5_000) })) }),
    )
    await until(() => owner.connections.length === 1)
    expect(owner.connections[0]).toMatchObject({ protocol: 'tcp', sni: undefined })
  })

  it('is nothing on a port of HTTP when no request ever comes: the connection ends', async () => {
    const { owner, dial, listener } = await plain('HTTP11', { firstRequestMs: 20 })
    const socket = await dial()
    socket.resume()
    await closeOf(socket)
    expect(owner.connections).toEqual([])
    await until(() => listener.connectionCount === 0)
  })

  it('is told with what came before the end of a client that says little', async () => {
    const { owner, dial } = await plain('HTTP2')
    const socket = await dial()
    socket.end('PRI')
    await until(() => owner.connections.length === 1)
    const received = started((owner.connections[0] as InnerConnection).channel)
    await received.ended
    expect(received.text).toBe('PRI')
  })
})

describe('opaque bytes', () => {
  async function copied(): Promise<{ readonly client: Socket; readonly server: Socket; readonly copy: ChannelCopy }> {
    const { owner, dial } = await plain('TCP')
    const accepted = Promise.withResolvers<Socket>()
    const backend = createServer({ allowHalfOpen: true }, accepted.resolve)
    backend.listen(0, LOOPBACK)
    await once(backend, 'listening')
    opened.push({ close: () => void backend.close() })
    const { port } = backend.address() as { port: number }
    const upstream = connect({ host: LOOPBACK, port, allowHalfOpen: true })
    const client = await dial()
    await until(() => owner.connections.length === 1)
    const server = await accepted.promise
    server.on('error', () => {})
    opened.push({ close: () => void server.destroy() })
    const copy = new ChannelCopy((owner.connections[0] as InnerConnection).channel, socketChannel(upstream))
    return { client, server, copy }
  }

  it('go both ways, half-closes among them', async () => {
    const { client, server, copy } = await copied()
    client.end('question')
    expect(String((await once(server, 'data'))[0])).toBe('question')
    await once(server, 'end')
    expect(copy.isHalfOpen).toBe(true)
    server.end('answer')
    expect(String((await once(client, 'data'))[0])).toBe('answer')
    expect(await copy.done).toMatchObject({
      endedBy: 'end',
      error: undefined,
      meter: { sentBytes: 8, receivedBytes: 6 },
    })
  })

  it('wait for a reader that is slow, within a bound', async () => {
    const { client, server, copy } = await copied()
    server.pause()
    const piece = Buffer.alloc(1 << 20)
    let isHeld = false
    for (let i = 0; i < 64 && !isHeld; i++) {
      isHeld = await Promise.race([
        new Promise<boolean>((resolve) => client.write(piece, () => resolve(false))),
        new Promise<boolean>((resolve) => setTimeout(resolve, 300, true)),
      ])
    }
    expect(isHeld).toBe(true)
    const sent = client.bytesWritten
    let received = 0
    server.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    server.resume()
    await until(() => received >= sent - (1 << 20) && client.writableLength === 0)
    copy.abort()
    expect((await copy.done).endedBy).toBe('abort')
  })

  it('break off on both sides when one of them does', async () => {
    const { client, server, copy } = await copied()
    client.write('half a')
    await once(server, 'data')
    client.resetAndDestroy()
    await closeOf(server)
    expect((await copy.done).endedBy).toBe('opener')
  })
})

describe('a client of another implementation', () => {
  it('node:http2 speaks with prior knowledge on a port of HTTP', async () => {
    const { listener } = await plain('HTTP11')
    const session = connectH2Node(`http://${LOOPBACK}:${listener.address.port}`)
    opened.push({ close: () => void session.destroy() })
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.end('hello')
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    expect(headers[':status']).toBe(200)
    expect(String((await once(stream, 'data'))[0])).toBe('hello')
  })
})
