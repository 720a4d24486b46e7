import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Revocation } from '#shared/hbone'
import type { SpiffeId } from '#shared/model'
import { readRevocationLists, type WorkloadCertificate } from '#shared/pki'
import { RevocationWatch } from '#shared/revocation'
import { currentNetns, type Netns } from '#shared/sys'
import { Metrics } from '#shared/telemetry'
import { MemoryCa } from '../../../support/memory-ca.ts'
import {
  addressUpdate,
  gateway,
  identity,
  ip,
  meshOf,
  service,
  type WorkloadInput,
  workload,
} from '../../../support/mesh-builder.ts'
import { forwardTo, networkGateway } from '../../../support/network-gateway.ts'
import { requirePrivileges } from '../../../support/privileges.ts'
import { listen, type TestListener, until } from '../../../support/tunnel-ends.ts'
import { HBONE_PORT, inboundWay, outboundWay, ownLoopback } from '../../../support/ztunnel-ways.ts'

const ca = new MemoryCa()
const VIP = { ip: ip('10.9.0.1'), port: 80 }
const WEB = 'default/web.default.svc.cluster.local'
const client = workload({ name: 'client', serviceAccount: 'client', addresses: ['127.0.0.1'] })
const web = service({ name: 'web', vips: ['10.9.0.1'], subjectAltNames: [identity('default/server')] })

describe.runIf(requirePrivileges())('the way out of a pod', () => {
  let netns: Netns
  let app: TestListener
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

  const server = (name: string, address: string, more: Partial<WorkloadInput> = {}): ReturnType<typeof workload> =>
    workload({
      name,
      serviceAccount: 'server',
      addresses: [address],
      services: { [WEB]: { 80: app.address.port } },
      ...more,
    })
  /** What comes next: bytes as text, `end`, or the code of an error. */
  const next = (socket: Socket): Promise<string> =>
    new Promise((resolve) => {
      socket.once('data', (bytes) => resolve(String(bytes)))
      socket.once('end', () => resolve('end'))
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
  const say = (socket: Socket, text: string): Promise<string> => {
    socket.write(text)
    return next(socket)
  }

  describe('to another network', () => {
    const gatewayPod = workload({
      name: 'gw',
      namespace: 'istio-system',
      serviceAccount: 'gateway',
      network: 'east',
      addresses: ['127.0.0.1'],
      services: { 'istio-system/gw.istio-system.svc.cluster.local': {} },
    })
    const gatewayService = (port: number): ReturnType<typeof service> =>
      service({ name: 'gw', namespace: 'istio-system', ports: { 15008: port }, vips: ['east/10.9.9.9'] })

    it.each([
      ['host name', 'istio-system/gw.istio-system.svc.cluster.local'],
      ['address', 'east/10.9.9.9'],
    ])('goes through its gateway, found by %s, and in by our own tunnel there', async (_by, reference) => {
      // What the far tunnel knows: the service, its own pod, and somebody else at the address that the gateway has.
      const farMesh = meshOf([
        server('server', '127.0.0.1', { network: 'east' }),
        workload({ name: 'bystander', network: 'east', addresses: ['127.0.0.1'] }),
        service({ name: 'web', ports: { 80: 0 } }),
      ])
      const far = later(await inboundWay('server', netns, farMesh, ca, { network: 'east' }))
      const through = later(await networkGateway(ca, 'istio-system/gateway', forwardTo(far.address)))
      const mesh = meshOf([
        client,
        web,
        server('server', '10.0.2.1', { network: 'east', networkGateway: gateway(reference) }),
        gatewayPod,
        gatewayService(through.address.port),
      ])
      const way = later(await outboundWay('client', netns, mesh, ca, { network: 'west' }))
      const socket = await way.connect(VIP)
      expect(await say(socket, 'hello over there')).toBe('hello over there')
      expect(way.table.list().map(({ record }) => record.protocol)).toEqual(['DOUBLEHBONE'])
      expect(far.table.list().map(({ record }) => [record.protocol, record.peer, record.originalDestination])).toEqual([
        ['HBONE', identity('default/client'), 'web.default.svc.cluster.local'],
      ])
      socket.end()
      expect(await next(socket)).toBe('end')
      await until(() => way.lines.length > 0 && far.lines.length > 0)
      expect(way.lines.join()).toContain(
        `dst.addr=127.0.0.1:${through.address.port} dst.hbone_addr=web.default.svc.cluster.local:80`,
      )
      expect(way.lines.join()).toContain('dst.workload="gw"')
      expect(far.lines.join()).toContain('src.workload="client"')
      expect(far.lines.join()).not.toContain('bystander')
      await until(() => through.streams.size === 0)
    })

    it('is refused by the application’s side when the gateway’s far end is somebody else', async () => {
      const farMesh = meshOf([server('server', '127.0.0.1'), service({ name: 'web' })])
      const impostor = ca.issue(ca.id('default', 'impostor'))
      const far = later(await inboundWay('server', netns, farMesh, ca, { certificateOf: async () => impostor }))
      const through = later(await networkGateway(ca, 'istio-system/gateway', forwardTo(far.address)))
      const mesh = meshOf([
        client,
        web,
        server('server', '10.0.2.1', { network: 'east', networkGateway: gateway('east/10.9.9.9') }),
        gatewayPod,
        gatewayService(through.address.port),
      ])
      const way = later(await outboundWay('client', netns, mesh, ca))
      expect(await next(await way.connect(VIP))).toBe('ECONNRESET')
      await until(() => way.lines.length > 0)
      expect(way.lines.join()).toContain('sa/impostor')
    })
  })

  describe('when an endpoint cannot be reached', () => {
    const twoEndpoints = () => {
      const [dead, alive] = [ownLoopback(), ownLoopback()]
      const mesh = meshOf([client, web, server('dead', dead), server('server', alive)])
      return { dead, alive, mesh }
    }

    it('takes another one before any byte was sent, and tells only of that', async () => {
      const { dead, alive, mesh } = twoEndpoints()
      later(await inboundWay('server', netns, mesh, ca, {}, { host: alive, port: HBONE_PORT }))
      const target = later(await echoAt(alive, app.address.port))
      const way = later(await outboundWay('client', netns, mesh, ca))
      for (let i = 0; i < 8; i++) {
        const socket = await way.connect(VIP)
        expect(await say(socket, 'hi')).toBe('hi')
        socket.destroy()
      }
      expect(target.accepted).toHaveLength(8)
      await until(() => way.lines.length === 8)
      expect(way.lines.join()).not.toContain(dead)
      expect(way.lines.join()).not.toContain('error=')
    })

    it('fails like Istio with AMBIT_CONNECT_RETRIES=0', async () => {
      const { alive, mesh } = twoEndpoints()
      later(await inboundWay('server', netns, mesh, ca, {}, { host: alive, port: HBONE_PORT }))
      later(await echoAt(alive, app.address.port))
      const way = later(await outboundWay('client', netns, mesh, ca, { connectRetries: 0 }))
      const outcomes: string[] = []
      for (let i = 0; i < 12; i++) {
        const socket = await way.connect(VIP)
        socket.write('x')
        outcomes.push(await next(socket))
        socket.destroy()
      }
      expect(new Set(outcomes)).toEqual(new Set(['x', 'ECONNRESET']))
    })

    it('reports the last failure when all of them are gone', async () => {
      const { mesh } = twoEndpoints()
      const way = later(await outboundWay('client', netns, mesh, ca))
      expect(await next(await way.connect(VIP))).toBe('ECONNRESET')
      await until(() => way.lines.length > 0)
      expect(way.lines).toHaveLength(1)
      expect(way.lines[0]).toContain('connect failed')
      expect([way.table.size, way.pod.work.size]).toEqual([0, 0])
    })

    it('does not try again what was answered with a refusal', async () => {
      const [first, second] = [ownLoopback(), ownLoopback()]
      const answers: string[] = []
      const mesh = meshOf([client, web, server('first', first), server('second', second)])
      for (const [name, host] of [
        ['first', first],
        ['second', second],
      ] as const) {
        // Its own mesh knows the pod, and that its application's port is refused.
        const certificateOf = async (id: SpiffeId): Promise<WorkloadCertificate> => {
          answers.push(name)
          return ca.issue(id)
        }
        const at = { host, port: HBONE_PORT, serviceAccount: 'server' }
        later(await inboundWay(name, netns, meshOf([server(name, host)]), ca, { certificateOf }, at))
      }
      const way = later(await outboundWay('client', netns, mesh, ca))
      expect(await next(await way.connect(VIP))).toBe('ECONNRESET')
      await until(() => way.lines.length > 0)
      expect(way.lines.join()).toContain('http status: 503')
      expect(answers).toHaveLength(1)
    })

    it('ends with its pod while it is trying', async () => {
      const { dead, alive, mesh } = twoEndpoints()
      const silent = later(await listenAt(dead, HBONE_PORT))
      const alsoSilent = later(await listenAt(alive, HBONE_PORT))
      const way = later(await outboundWay('client', netns, mesh, ca))
      const socket = await way.connect(VIP)
      await until(() => silent.accepted.length + alsoSilent.accepted.length > 0)
      const ended = next(socket)
      await way.pod.work.drain({ mode: 'immediate', deadlineMs: 0 })
      expect(await ended).toBe('end')
      await until(() => way.lines.length > 0)
      expect(way.lines.join()).toContain('connection closed due to connection drain')
    })
  })

  it('dials anew when an address has moved to another workload, though the old tunnel is still open', async () => {
    const host = ownLoopback()
    const mesh = meshOf([client, web, server('old', host)])
    const tunnels = later(
      await inboundWay('server', netns, meshOf([server('server', host)]), ca, {}, { host, port: HBONE_PORT }),
    )
    later(await echoAt(host, app.address.port))
    let dials = 0
    const way = later(
      await outboundWay('client', netns, mesh, ca, {
        certificateOf: (() => {
          const certificate = ca.issue(ca.id('default', 'client'))
          return async () => certificate
        })(),
      }),
    )
    const count = async (): Promise<void> => {
      const socket = await way.connect(VIP)
      expect(await say(socket, 'x')).toBe('x')
      dials = tunnels.pod.work.size
      socket.destroy()
    }
    await count()
    await until(() => way.table.size === 0 && tunnels.table.size === 0)
    await count()
    await until(() => way.table.size === 0 && tunnels.table.size === 0)
    expect(tunnels.pod.work.size).toBe(1)
    mesh.applyAddresses(addressUpdate([server('new', host)], ['Kubernetes//Pod/default/old']))
    await count()
    expect(dials).toBeGreaterThan(1)
  })

  it('uses no tunnel into a pod that has gone: it is closed, and the pod that has the address now proves who it is', async () => {
    const host = ownLoopback()
    const mesh = meshOf([client, web, server('server', host)])
    const at = { host, port: HBONE_PORT }
    const gone = await inboundWay('server', netns, mesh, ca, {}, at)
    later(await echoAt(host, app.address.port))
    const way = later(await outboundWay('client', netns, mesh, ca))
    expect(await say(await way.connect(VIP), 'x')).toBe('x')
    await gone.pod.work.drain({ mode: 'immediate', deadlineMs: 0 })
    await gone.close()
    await until(() => way.table.size === 0)
    const other = ca.issue(ca.id('default', 'other'))
    later(await inboundWay('server', netns, mesh, ca, { certificateOf: async () => other }, at))
    expect(await next(await way.connect(VIP))).toBe('ECONNRESET')
    await until(() => way.lines.length === 2)
    expect(way.lines[1]).toContain('sa/other')
  })

  describe('with revocation lists', () => {
    const setUp = async () => {
      const host = ownLoopback()
      const mesh = meshOf([client, web, server('server', host)])
      const issued = { client: ca.issue(ca.id('default', 'client')), server: ca.issue(ca.id('default', 'server')) }
      // A node each, as lists are a matter of the node.
      const metrics = { out: new Metrics(), in: new Metrics() }
      const watches = { out: new RevocationWatch(metrics.out), in: new RevocationWatch(metrics.in) }
      const roles: { readonly out: Revocation; readonly in: Revocation } = {
        out: watches.out.for('source'),
        in: watches.in.for('destination'),
      }
      const into = later(
        await inboundWay(
          'server',
          netns,
          mesh,
          ca,
          { certificateOf: async () => issued.server, revocation: roles.in },
          { host, port: HBONE_PORT },
        ),
      )
      later(await echoAt(host, app.address.port))
      const out = later(
        await outboundWay('client', netns, mesh, ca, {
          certificateOf: async () => issued.client,
          revocation: roles.out,
        }),
      )
      const revoke = (serial: string): ReturnType<typeof readRevocationLists> =>
        readRevocationLists(ca.revoke([serial]))
      return { into, out, issued, watches, revoke, metrics }
    }

    it.each([
      ['server', 'out'],
      ['client', 'in'],
    ] as const)('refuses a %s whose certificate is revoked', async (who, role) => {
      const { into, out, issued, watches, revoke, metrics } = await setUp()
      watches[role].update(revoke(issued[who].leaf.serialNumber))
      expect(await next(await out.connect(VIP))).toBe('ECONNRESET')
      await until(() => out.lines.length > 0)
      expect((role === 'out' ? out : into).lines.join()).toContain('is revoked')
      const reporter = role === 'out' ? 'source' : 'destination'
      expect(metrics[role].print()).toContain(`istio_crl_policy_rejections_total{reporter="${reporter}"} 1`)
      if (role === 'out') expect(out.metrics.print()).toContain('response_flags="CERT_REVOKED"')
    })

    it.each([
      ['server', 'out'],
      ['client', 'in'],
    ] as const)('cuts live connections when the certificate of the %s is revoked', async (who, role) => {
      const { into, out, issued, watches, revoke } = await setUp()
      watches[role].update(revoke('4711'))
      const socket = await out.connect(VIP)
      expect(await say(socket, 'still good')).toBe('still good')
      const ended = next(socket)
      watches[role].update(revoke(issued[who].leaf.serialNumber))
      await ended
      const books = role === 'out' ? out : into
      await until(() => books.lines.length > 0)
      expect(books.lines.join()).toContain('connection closed: peer certificate revoked by CRL')
      expect(books.metrics.print()).toContain('response_flags="CERT_REVOKED"')
      await until(() => watches[role].followerCount === 0)
    })

    it('keeps nothing of connections that have ended', async () => {
      const { into, out, watches } = await setUp()
      const socket = await out.connect(VIP)
      expect(await say(socket, 'x')).toBe('x')
      expect(watches.out.followerCount).toBe(2)
      socket.destroy()
      await until(() => out.table.size === 0 && into.table.size === 0)
      expect([watches.out.followerCount, watches.in.followerCount]).toEqual([1, 1])
    })
  })

  async function listenAt(host: string, port: number): Promise<TestListener> {
    return listen(() => {}, false, { host, port })
  }

  async function echoAt(host: string, port: number): Promise<TestListener> {
    return listen((socket) => void socket.pipe(socket), false, { host, port })
  }
})
