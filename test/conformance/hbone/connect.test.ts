import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as h2connect,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentNetns, type Netns } from '#shared/sys'
import { MemoryCa } from '../../support/memory-ca.ts'
import {
  gateway,
  ip,
  match,
  meshOf,
  policy,
  policyUpdate,
  service,
  type WorkloadInput,
  workload,
} from '../../support/mesh-builder.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { tlsTextsOf } from '../../support/tls-texts.ts'
import { listen, type TestListener, until } from '../../support/tunnel-ends.ts'
import { HBONE_PORT, type InboundWay, inboundWay } from '../../support/ztunnel-ways.ts'

const MIB = 1 << 20
const ca = new MemoryCa()
const WEB = 'web.default.svc.cluster.local'

describe.runIf(requirePrivileges())('a CONNECT of a verified client of node:http2', () => {
  let netns: Netns
  let app: TestListener
  let mesh: ReturnType<typeof meshOf>
  const opened: { close(): unknown }[] = []
  const later = <T extends { close(): unknown }>(one: T): T => {
    opened.push(one)
    return one
  }

  beforeEach(async () => {
    netns = later(currentNetns())
    app = later(await listen((socket) => void socket.pipe(socket)))
  })
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close()
  })

  const serve = async (server: Partial<WorkloadInput> = {}): Promise<InboundWay> => {
    mesh = meshOf([
      workload({
        name: 'server',
        serviceAccount: 'server',
        addresses: ['127.0.0.1'],
        services: { [`default/${WEB}`]: { 80: app.address.port } },
        ...server,
      }),
      workload({ name: 'other', serviceAccount: 'other', addresses: ['10.0.9.9'] }),
      service({ name: 'web', vips: ['10.9.0.1'], ports: { 80: 0 } }),
      service({ name: 'guarded', vips: ['10.9.0.2'], waypoint: gateway('default/wp.default.svc.cluster.local') }),
    ])
    return later(await inboundWay('server', netns, mesh, ca))
  }
  const sessionTo = (way: InboundWay, identity = 'default/client'): ClientHttp2Session => {
    const session = h2connect(`https://127.0.0.1:${way.address.port}`, {
      ...tlsTextsOf(ca, identity),
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    session.on('error', () => {})
    later({ close: () => session.destroy() })
    return session
  }
  const ask = (session: ClientHttp2Session, headers: OutgoingHttpHeaders): ClientHttp2Stream => {
    const stream = session.request(headers, { endStream: false })
    stream.on('error', () => {})
    return stream
  }
  const connectTo = (
    session: ClientHttp2Session,
    authority: string,
    more: OutgoingHttpHeaders = {},
  ): ClientHttp2Stream => ask(session, { ':method': 'CONNECT', ':authority': authority, ...more })
  const statusOf = async (stream: ClientHttp2Stream): Promise<number> => (await once(stream, 'response'))[0][':status']
  const own = (): string => `127.0.0.1:${app.address.port}`

  describe('9: bytes before the answer', () => {
    it('reach no application when the request is denied', async () => {
      const way = await serve()
      mesh.applyAuthorizations(policyUpdate([policy({ name: 'nobody', action: 'Allow', rules: [] })]))
      const stream = connectTo(sessionTo(way), own())
      stream.write('too early')
      expect(await statusOf(stream)).toBe(401)
      expect(app.accepted).toHaveLength(0)
    })

    it('reach the application behind the acceptance, in order', async () => {
      const stream = connectTo(sessionTo(await serve()), own())
      stream.write('early, ')
      expect(await statusOf(stream)).toBe(200)
      stream.end('late')
      let text = ''
      for await (const chunk of stream) text += String(chunk)
      expect(text).toBe('early, late')
    })
  })

  describe('10: an authority', () => {
    it.each([
      ['without a port', '127.0.0.1'],
      ['with port 0', '127.0.0.1:0'],
      ['with port 65536', '127.0.0.1:65536'],
      ['with an IPv6 zone', '[fe80::1%25eth0]:80'],
      ['with user information', 'root@127.0.0.1:80'],
      ['with an address in octal', '0177.0.0.1:80'],
      ['with an address as a number', '2130706433:80'],
      ['with an address mapped into IPv6', '[::ffff:127.0.0.1]:80'],
      ['with an encoded dot', '127%2e0.0.1:80'],
      ['with a path', '127.0.0.1:80/admin'],
      ['with a space', '127.0.0.1 :80'],
      ['with an empty label', 'web..svc:80'],
      ['of 4,000 characters', `${'a'.repeat(4000)}:80`],
    ])('%s is answered with 400', async (_, authority) => {
      expect(await statusOf(connectTo(sessionTo(await serve()), authority))).toBe(400)
      expect(app.accepted).toHaveLength(0)
    })

    it.each([
      ['by name', `${WEB}:80`],
      ['by name with a final dot', `${WEB}.:80`],
      ['by name in capitals', `${WEB.toUpperCase()}:80`],
    ])('%s leads to the service’s port at this pod', async (_, authority) => {
      expect(await statusOf(connectTo(sessionTo(await serve()), authority))).toBe(200)
    })
  })

  describe('11: an address that is not this pod’s', () => {
    it.each([
      ['of another workload', '10.0.9.9:80', 400],
      ['of a service without a waypoint', '10.9.0.1:80', 400],
      ['of a service whose waypoint is another', '10.9.0.2:80', 400],
      ['of the metadata service', '169.254.169.254:80', 400],
      ['of loopback, where the pod has another', '127.0.0.2:80', 400],
      ['of IPv6 loopback', '[::1]:80', 400],
      ['of nobody', '0.0.0.0:80', 400],
      ['of a name that nobody has', 'nobody.example:80', 503],
    ])('%s is answered with %s %i', async (_, authority, status) => {
      const way = await serve()
      expect(await statusOf(connectTo(sessionTo(way), authority))).toBe(status)
      expect(app.accepted).toHaveLength(0)
      expect(way.lines.join()).toContain('connection failed')
    })

    it.each([15_001, 15_006, HBONE_PORT])(
      'and port %i, the tunnel’s own, is answered with 503: no loop',
      async (port) => {
        const way = await serve()
        expect(await statusOf(connectTo(sessionTo(way), `127.0.0.1:${port}`))).toBe(503)
        expect(way.lines.join()).toContain('attempted recursive call to ourselves')
      },
    )
  })

  describe('12: another method', () => {
    it.each(['GET', 'POST', 'OPTIONS', 'TRACE', 'connect'])('%s is answered with 400 or reset', async (method) => {
      const way = await serve()
      const stream = ask(sessionTo(way), { ':method': method, ':path': '/', ':scheme': 'https', ':authority': own() })
      const end = await Promise.race([statusOf(stream), once(stream, 'close').then(() => 'reset')])
      expect([400, 'reset']).toContain(end)
      expect(app.accepted).toHaveLength(0)
    })

    it('an extended CONNECT, as CONNECT-UDP uses it, is reset', async () => {
      const way = await serve()
      const session = sessionTo(way)
      const stream = ask(session, {
        ':method': 'CONNECT',
        ':protocol': 'connect-udp',
        ':scheme': 'https',
        ':path': '/.well-known/masque/udp/192.0.2.6/443/',
        ':authority': own(),
      })
      await new Promise((resolve) => stream.on('close', resolve))
      expect(stream.rstCode).not.toBe(0)
      expect(app.accepted).toHaveLength(0)
      expect(await statusOf(connectTo(session, own()))).toBe(200)
    })
  })

  describe('13: forged headers', () => {
    const forged: OutgoingHttpHeaders = {
      baggage: 'k8s.namespace.name=admins,k8s.deployment.name=root,service.name=root',
      forwarded: 'for="10.0.0.1:1";host=admin.default.svc.cluster.local',
      traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`,
      'x-forwarded-network': 'elsewhere',
      'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/admins/sa/root',
      'x-forwarded-for': '10.0.0.1',
    }

    it('decide nothing: policy asks the certificate', async () => {
      const way = await serve()
      const admins = match({ namespaces: ['admins'], principals: ['cluster.local/ns/admins/sa/root'] })
      mesh.applyAuthorizations(policyUpdate([policy({ name: 'admins', action: 'Allow', rules: [[[admins]]] })]))
      expect(await statusOf(connectTo(sessionTo(way), own(), forged))).toBe(401)
      expect(await statusOf(connectTo(sessionTo(way, 'admins/root'), own()))).toBe(200)
    })

    it('fill labels, and not more of them than a peer may make up', async () => {
      const way = await serve()
      const stream = connectTo(sessionTo(way), own(), forged)
      await statusOf(stream)
      expect(way.table.list().map(({ record }) => [record.peer, record.originalDestination])).toEqual([
        ['spiffe://cluster.local/ns/default/sa/client', 'admin.default.svc.cluster.local'],
      ])
      stream.end()
      await once(stream.resume(), 'close')
      await until(() => way.lines.length > 0)
      expect(way.lines.join()).toContain('src.identity="spiffe://cluster.local/ns/default/sa/client"')
      expect(way.lines.join()).not.toContain('dst.service="admin')
    })

    it.each<[string, OutgoingHttpHeaders]>([
      ['much baggage', { baggage: `service.name=${'x'.repeat(12_000)}` }],
      ['many parts', { baggage: Array.from({ length: 2_000 }, (_, i) => `k${i}=v`).join(',') }],
      ['a forwarded without an end', { forwarded: `${';'.repeat(4_000)}host="` }],
      ['a trace of 55 zeros', { traceparent: '0'.repeat(55) }],
      ['letters beyond ASCII', { baggage: 'service.name=\u00e9', forwarded: 'host=\u00e9' }],
    ])('do no harm: %s', async (_, headers) => {
      const way = await serve()
      const stream = connectTo(sessionTo(way), own(), headers)
      expect(await statusOf(stream)).toBe(200)
      stream.end()
      await once(stream.resume(), 'close')
      await until(() => way.lines.length > 0)
      expect(way.lines.join().length).toBeLessThan(8_192)
    })
  })

  describe('15: the end of a stream', () => {
    it('of half of it leaves the other half open, byte for byte, however it is cut into pieces', async () => {
      const session = sessionTo(await serve())
      const sent = randomBytes(3 * MIB)
      const stream = connectTo(session, own())
      await statusOf(stream)
      const received: Buffer[] = []
      stream.on('data', (chunk: Buffer) => received.push(chunk))
      const ended = once(stream, 'end')
      for (let at = 0; at < sent.length; ) {
        const next = at + 1 + ((at * 7_919) % 90_000)
        if (!stream.write(sent.subarray(at, next))) await once(stream, 'drain')
        at = next
      }
      stream.end()
      await ended
      expect(Buffer.concat(received).equals(sent)).toBe(true)
    })

    it('by a lost connection ends every application, and leaves nothing listed', async () => {
      const way = await serve()
      const session = sessionTo(way)
      const streams = Array.from({ length: 50 }, () => connectTo(session, own()))
      await Promise.all(streams.map(statusOf))
      expect(way.table.size).toBe(50)
      session.destroy()
      await until(() => way.table.size === 0 && way.pod.work.size === 0)
      await until(() => app.accepted.every(({ destroyed }) => destroyed))
    })
  })

  describe('16: 2,000 clients that give up', () => {
    it('in the middle of an answer leave no connection and no stream', async () => {
      const way = await serve()
      const session = sessionTo(way)
      const before = process.memoryUsage().rss
      for (let round = 0; round < 40; round++) {
        const streams = Array.from({ length: 50 }, () => connectTo(session, own()))
        await Promise.all(
          streams.map(async (stream) => {
            await statusOf(stream)
            stream.write(Buffer.alloc(10_000))
            stream.close(8)
            await once(stream, 'close')
          }),
        )
      }
      await until(() => way.table.size === 0)
      await until(() => app.accepted.every(({ destroyed }) => destroyed))
      expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB)
    })
  })

  describe('21: an identity that does not fit the address', () => {
    it('counts, and the address does not: policy and log name the certificate', async () => {
      const way = await serve({ addresses: ['127.0.0.1'] })
      const onlyServer = match({ principals: ['cluster.local/ns/default/sa/server'] })
      mesh.applyAuthorizations(policyUpdate([policy({ name: 'only', action: 'Allow', rules: [[[onlyServer]]] })]))
      // The client's address is the server's own here, which would pass if addresses were asked.
      expect(mesh.workloadByIp('', ip('127.0.0.1'))?.serviceAccount).toBe('server')
      expect(await statusOf(connectTo(sessionTo(way), own()))).toBe(401)
      await until(() => way.lines.length > 0)
      expect(way.lines.join()).toContain('sa/client')
    })
  })

  describe('39: around a waypoint', () => {
    it('a service that names a waypoint does not lead to this pod by its address', async () => {
      expect(await statusOf(connectTo(sessionTo(await serve()), '10.9.0.2:80'))).toBe(400)
    })
  })
})
