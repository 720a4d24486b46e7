import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readMessage, recordTypes, TcpFrames, toTcpFrame, writeMessage } from '#shared/dns'
import { type IpAddress, parseIp } from '#shared/net'
import { ClusterNames, clusterAnswerer, DnsServer } from '../../../src/local/dns/index.ts'
import { ServiceTable } from '../../../src/local/services/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryAccess } from '../../support/memory-access.ts'
import { quietLogger } from '../../support/quiet-logger.ts'
import { namespaceObject, serviceObject, sliceObject } from '../../support/services.ts'
import { message, name, question } from '../../unit/shared/dns/messages.ts'

const MANY = 300
const loopback = parseIp('127.0.0.1') as IpAddress
const answers = Array.from({ length: MANY }, (_, i) => `10.244.${i >> 8}.${i & 255}`)
const objects = [
  namespaceObject('shop'),
  serviceObject('shop/web', { clusterIPs: ['10.96.1.0', 'fd00:10:96::100'], ports: [{ name: 'http', port: 80 }] }),
  serviceObject('shop/old', { clusterIP: '10.96.1.1', ports: [{ port: 80 }] }),
  serviceObject('shop/many', { clusterIP: 'None', clusterIPs: ['None'], ports: [] }),
  serviceObject('shop/alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
  sliceObject(
    'shop/many',
    'many-4',
    [],
    answers.map((ip) => ({ addresses: [ip] })),
  ),
]

/** A port that is free for UDP and TCP alike, as resolvers ask both. */
async function freePort(): Promise<number> {
  const tcp = createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const address = tcp.address()
  await new Promise((closed) => tcp.close(closed))
  if (typeof address !== 'object' || address === null) throw new TypeError('no port')
  return address.port
}

let port = 0
let server: DnsServer
let resolver: Resolver
const answererOf = async (): Promise<ReturnType<typeof clusterAnswerer>> => {
  const access = new MemoryAccess(new FakeClock())
  for (const object of objects) await access.create(object)
  return clusterAnswerer(new ClusterNames(name('cluster.local'), new ServiceTable(access), [loopback]), () => 0.5)
}

beforeAll(async () => {
  port = await freePort()
  server = await DnsServer.listen([{ ip: loopback, port }], await answererOf(), quietLogger)
  resolver = new Resolver({ timeout: 2_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${port}`])
})
afterAll(() => server.close())

const svc = (text: string): string => `${text}.svc.cluster.local`

describe("Node's own resolver", () => {
  it('finds addresses, services, names of addresses, texts and aliases', async () => {
    expect(await resolver.resolve4(svc('web.shop'))).toEqual(['10.96.1.0'])
    expect(await resolver.resolve6(svc('web.shop'))).toEqual(['fd00:10:96::100'])
    expect(await resolver.resolve4(svc('alias.shop'), { ttl: true })).toEqual([{ address: '10.96.1.0', ttl: 5 }])
    expect(await resolver.resolveCname(svc('alias.shop'))).toEqual([svc('web.shop')])
    expect(await resolver.resolveSrv(`_http._tcp.${svc('web.shop')}`)).toMatchObject([
      { name: svc('web.shop'), port: 80, priority: 0, weight: 100 },
    ])
    expect(await resolver.reverse('10.96.1.0')).toEqual([svc('web.shop')])
    expect(await resolver.reverse('fd00:10:96::100')).toEqual([svc('web.shop')])
    expect(await resolver.resolveTxt('dns-version.cluster.local')).toEqual([['1.1.0']])
    expect(await resolver.resolveSoa('cluster.local')).toMatchObject({ nsname: 'ns.dns.cluster.local', minttl: 5 })
  })

  it('tells a name that is not there from one without such an address', async () => {
    await expect(resolver.resolve4(svc('nobody.shop'))).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await expect(resolver.resolve4('example.org')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await expect(resolver.resolve6(svc('old.shop'))).rejects.toMatchObject({ code: 'ENODATA' })
  })

  it('gets more than a packet holds over TCP', async () => {
    expect((await resolver.resolve4(svc('many.shop'))).sort()).toEqual([...answers].sort())
  })
})

describe('a connection', () => {
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  }
  const query = (id: number): Uint8Array => writeMessage(message({ id, questions: [question(svc('many.shop'))] }))

  it('may ask many times at once, and gets the answers in order', async () => {
    const socket = await open()
    const frames = new TcpFrames()
    const ids: number[] = []
    socket.write(Buffer.concat(Array.from({ length: 200 }, (_, i) => toTcpFrame(query(i)))))
    for await (const chunk of socket) {
      for (const bytes of frames.push(chunk as Buffer)) {
        const read = readMessage(bytes)
        if (read.kind === 'message') ids.push(read.message.id)
        expect(read).toMatchObject({ kind: 'message', message: { isTruncated: false } })
      }
      if (ids.length === 200) break
    }
    expect(ids).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it.each([
    ['an answer', writeMessage(message({ isResponse: true, questions: [question('x')] }))],
    ['less than a header', Uint8Array.of(1, 2, 3)],
  ])('that sends %s is closed, and only it', async (_, bytes) => {
    const [bad, good] = [await open(), await open()]
    bad.write(toTcpFrame(bytes))
    await once(bad.resume(), 'close')
    good.write(toTcpFrame(query(1)))
    const [chunk] = (await once(good, 'data')) as [Buffer]
    expect(chunk.length).toBeGreaterThan(2)
    good.destroy()
  })
})

describe('packets that are no questions', () => {
  it('are passed over or answered with FORMERR, and the next question is answered', async () => {
    const socket = createSocket('udp4')
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const replies: number[] = []
    socket.on('message', (bytes) => {
      const read = readMessage(bytes)
      if (read.kind === 'message') replies.push(read.message.rcode)
    })
    for (let i = 0; i < 50; i++) socket.send(Buffer.alloc(i, 0xc0))
    socket.send(Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12))
    socket.send(writeMessage(message({ questions: [question(svc('web.shop'), recordTypes.AAAA)] })))
    await expect.poll(() => replies).toEqual([1, 0])
    socket.close()
  })
})

it('a port that somebody has is told, and nothing is left listening', async () => {
  const taken = await DnsServer.listen([{ ip: loopback, port: await freePort() }], await answererOf(), quietLogger)
  const [other] = taken.ports
  const free = { ip: loopback, port: await freePort() }
  const both = [free, { ip: loopback, port: other?.udp ?? 0 }]
  await expect(DnsServer.listen(both, await answererOf(), quietLogger)).rejects.toThrow('names cannot be served')
  const again = await DnsServer.listen([free], await answererOf(), quietLogger)
  await again.close()
  await taken.close()
})
