import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import {
  type AdsClient,
  type AdsClientSettings,
  type ResourceType,
  type ResourceUpdate,
  type Subscription,
  startAdsClient,
} from '#shared/xds'
import type { DeltaResponse } from '../../../src/shared/xds/messages.ts'
import { RecordedLog, ScriptedAdsServer, type ScriptedServerStream } from '../../support/ads-peer.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

const ca = new MemoryCa()
const log = new RecordedLog()
const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
  log.lines.length = 0
})

const textType = (typeUrl: string): ResourceType<string> => ({
  typeUrl,
  encode: (text) => Buffer.from(text),
  decode(bytes) {
    const text = Buffer.from(bytes).toString()
    if (text.startsWith('bad')) throw new MeshError('RESOURCE_INVALID', text)
    return text
  },
})

type Update = ResourceUpdate<string>

interface Started {
  readonly client: AdsClient
  readonly server: ScriptedAdsServer
  readonly updates: (Update & { readonly typeUrl: string })[]
  readonly ended: string[]
  /** For each stream that was answered: how many had ended before. */
  readonly talks: number[]
}

async function start(
  modes: Record<string, Subscription<string>['mode']>,
  over: Partial<AdsClientSettings['endpoint']> = {},
): Promise<Started> {
  const server = await ScriptedAdsServer.start(ca)
  const started = connect(server, modes, over)
  open.push(server, started.client)
  return started
}

function connect(
  server: ScriptedAdsServer,
  modes: Record<string, Subscription<string>['mode']>,
  over: Partial<AdsClientSettings['endpoint']>,
): Started {
  const updates: (Update & { readonly typeUrl: string })[] = []
  const ended: string[] = []
  const talks: number[] = []
  const client = startAdsClient({
    endpoint: server.endpoint(ca, over),
    node: {
      id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local',
      metadata: { NODE_NAME: 'node-a', INSTANCE_IPS: '10.0.0.1' },
    },
    subscriptions: Object.entries(modes).map(([typeUrl, mode]) => ({
      type: textType(typeUrl),
      mode,
      apply(update: Update) {
        updates.push({ typeUrl, ...update })
        return update.changed
          .filter((one) => one.resource === 'refuse')
          .map(({ name }) => ({ name, reason: 'refused' }))
      },
    })),
    clock: systemClock,
    log,
    observer: { connected: () => void talks.push(ended.length), connectionEnded: (reason) => void ended.push(reason) },
  })
  return { client, server, updates, ended, talks }
}

const resources = (...list: [name: string, version: string, body: string][]): DeltaResponse['resources'] =>
  list.map(([name, version, body]) => ({
    name,
    version,
    aliases: [],
    resource: { type_url: 'anything', value: Buffer.from(body) },
  }))

/** Reads the first request of each of `count` types. */
async function opening(server: ScriptedAdsServer, count: number): Promise<ScriptedServerStream> {
  const stream = await server.nextStream()
  for (let i = 0; i < count; i++) await stream.next()
  return stream
}

describe('the first requests of a client', () => {
  it('come in order on one stream, each with the node, and ask for everything', async () => {
    const { server } = await start({ addresses: 'wildcard', policies: 'wildcard' })
    const stream = await server.nextStream()
    const requests = [await stream.next(), await stream.next()]
    expect(requests.map((request) => request.typeUrl)).toEqual(['addresses', 'policies'])
    for (const request of requests) {
      expect(request).toMatchObject({
        resourceNamesSubscribe: [],
        resourceNamesUnsubscribe: [],
        initialResourceVersions: {},
        responseNonce: '',
        errorDetail: null,
        node: { id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local', cluster: '', buildVersion: '' },
      })
      expect(request.node?.metadata?.fields.NODE_NAME).toMatchObject({ stringValue: 'node-a' })
    }
    expect(stream.headers[':path']).toBe(
      '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    )
  })

  it('carry cluster, token and further headers', async () => {
    const { server } = await start(
      { a: 'wildcard' },
      { token: { kind: 'literal', token: 'jwt' }, clusterId: 'c1', headers: [['x-tenant', 't']] },
    )
    const stream = await server.nextStream()
    expect(stream.headers).toMatchObject({ authorization: 'Bearer jwt', clusterid: 'c1', 'x-tenant': 't' })
  })

  it('subscribe to nothing on demand', async () => {
    const { server } = await start({ addresses: 'on-demand', policies: 'wildcard' })
    const stream = await server.nextStream()
    expect(await stream.next()).toMatchObject({ resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] })
    expect(await stream.next()).toMatchObject({ resourceNamesSubscribe: [], resourceNamesUnsubscribe: [] })
  })
})

describe('a response', () => {
  it('is applied and acknowledged by its nonce, without the node', async () => {
    const { server, updates } = await start({ a: 'wildcard' })
    const stream = await opening(server, 1)
    stream.send({ typeUrl: 'a', nonce: 'n1', resources: resources(['x', '1', 'X']), removedResources: ['y'] })
    expect(await stream.next()).toMatchObject({ typeUrl: 'a', responseNonce: 'n1', node: null, errorDetail: null })
    expect(updates).toEqual([{ typeUrl: 'a', changed: [{ name: 'x', version: '1', resource: 'X' }], removed: ['y'] }])
  })

  it('of which some resources are bad is applied in part and rejected by name', async () => {
    const { server, updates } = await start({ a: 'wildcard' })
    const stream = await opening(server, 1)
    stream.send({
      typeUrl: 'a',
      nonce: 'n1',
      resources: resources(['x', '1', 'bad port'], ['good', '1', 'G'], ['z', '1', 'refuse']),
      removedResources: ['old'],
    })
    const nack = await stream.next()
    expect(nack).toMatchObject({ responseNonce: 'n1', errorDetail: { code: 0, message: 'z: refused; x: bad port' } })
    expect(updates[0]?.changed.map((one) => one.name)).toEqual(['good', 'z'])
    expect(updates[0]?.removed).toEqual(['old'])
  })

  it('with thousands of bad resources is rejected in a message of bounded length', async () => {
    const { server } = await start({ a: 'wildcard' })
    const stream = await opening(server, 1)
    const many = Array.from({ length: 5000 }, (_, i): [string, string, string] => [`r${i}`, '1', 'bad'])
    stream.send({ typeUrl: 'a', nonce: 'n1', resources: resources(...many) })
    const { errorDetail } = await stream.next()
    expect(errorDetail?.message).toMatch(/^r0: bad; r1: bad;.*and \d+ more$/)
    expect(errorDetail?.message.length).toBeLessThan(20_000)
  })

  it('of a type that nobody asked for is acknowledged', async () => {
    const { server, updates } = await start({ a: 'wildcard' })
    const stream = await opening(server, 1)
    stream.send({ typeUrl: 'other', nonce: 'n1', resources: resources(['x', '1', 'X']) })
    expect(await stream.next()).toMatchObject({ typeUrl: 'other', responseNonce: 'n1', errorDetail: null })
    expect(updates).toEqual([])
    expect(log.text).toContain('unknown type')
  })

  it('that is no message ends the stream, and another one is opened', async () => {
    const { server } = await start({ a: 'wildcard' })
    const stream = await opening(server, 1)
    stream.sendBytes(Buffer.from('ffffffff', 'hex'))
    await stream.closed
    expect((await (await server.nextStream()).next()).typeUrl).toBe('a')
  })
})

describe('being in sync', () => {
  it('takes one acknowledged response of each wildcard type, be it empty', async () => {
    const { client, server } = await start({ a: 'wildcard', b: 'wildcard', c: 'on-demand' })
    const stream = await opening(server, 3)
    stream.send({ typeUrl: 'a', nonce: '1' })
    await stream.next()
    stream.send({ typeUrl: 'b', nonce: '2', resources: resources(['x', '1', 'bad']) })
    await stream.next()
    expect(client.isSynced).toBe(false)
    stream.send({ typeUrl: 'b', nonce: '3' })
    await client.synced
    expect(client.isSynced).toBe(true)
  })

  it('is not waited for when the client is closed', async () => {
    const { client } = await start({ a: 'wildcard' })
    await client.close()
    await expect(client.synced).rejects.toThrowError(MeshError)
  })
})

describe('a client whose stream ends', () => {
  it('comes back with the versions of what it holds', async () => {
    const { server, ended } = await start({ a: 'wildcard' })
    const stream = await opening(server, 1)
    stream.send({ typeUrl: 'a', nonce: '1', resources: resources(['x', '1', 'X'], ['y', '1', 'Y'], ['z', '1', 'bad']) })
    await stream.next()
    stream.send({ typeUrl: 'a', nonce: '2', resources: resources(['x', '2', 'bad again']), removedResources: ['y'] })
    await stream.next()
    stream.end(14, 'going away')
    const request = await (await server.nextStream()).next()
    expect(request.initialResourceVersions).toEqual({ x: '1' })
    expect(request.node?.id).toContain('ztunnel~')
    expect(ended).toEqual(['Reconnect'])
  })

  it('comes back after a clean end, and after the connection was cut', async () => {
    const { server, ended, talks } = await start({ a: 'wildcard' })
    const first = await opening(server, 1)
    expect(talks).toEqual([])
    first.send({ typeUrl: 'a', nonce: '1' })
    await first.next()
    first.send({ typeUrl: 'a', nonce: '2' })
    await first.next()
    first.end(0)
    const second = await opening(server, 1)
    second.send({ typeUrl: 'a', nonce: '1' })
    await second.next()
    await server.close()
    const again = await ScriptedAdsServer.start(ca, undefined, server.port)
    open.push(again)
    expect((await (await again.nextStream()).next()).typeUrl).toBe('a')
    expect(ended.slice(0, 2)).toEqual(['Complete', 'Reconnect'])
    expect(talks).toEqual([0, 1])
    open.splice(open.indexOf(server), 1)
  })

  it('tells why it is refused, and tries again', async () => {
    const { server } = await start({ a: 'wildcard' })
    const stream = await server.nextStream()
    stream.end(16, 'authentication failure')
    await server.nextStream()
    expect(log.text).toContain('status 16: \\"authentication failure\\"')
  })
})

describe('asking on demand', () => {
  it('names one resource without the node, and wakes when it, its removal or its rejection comes', async () => {
    const { client, server } = await start({ a: 'on-demand' })
    const stream = await opening(server, 1)
    const x = client.demand('a', '/10.0.0.1')
    expect(await stream.next()).toMatchObject({ typeUrl: 'a', resourceNamesSubscribe: ['/10.0.0.1'], node: null })
    stream.send({ typeUrl: 'a', nonce: '1', resources: resources(['uid', '1', 'X']), removedResources: ['/10.0.0.1'] })
    await x
    await stream.next()
    const y = client.demand('a', 'y')
    await stream.next()
    stream.send({ typeUrl: 'a', nonce: '2', resources: resources(['y', '1', 'bad']) })
    await y
  })

  it('is repeated on the next stream', async () => {
    const { client, server } = await start({ a: 'on-demand' })
    const stream = await opening(server, 1)
    const wanted = client.demand('a', 'x')
    await stream.next()
    stream.end(14)
    const next = await server.nextStream()
    expect((await next.next()).initialResourceVersions).toEqual({ x: '' })
    next.send({ typeUrl: 'a', nonce: '1', resources: resources(['x', '1', 'X']) })
    await wanted
  })

  it('is refused for a wildcard type, and after the end', async () => {
    const { client } = await start({ a: 'wildcard', b: 'on-demand' })
    await expect(client.demand('a', 'x')).rejects.toThrowError(MeshError)
    const waiting = client.demand('b', 'x')
    await client.close()
    await expect(waiting).rejects.toThrowError(MeshError)
    await expect(client.demand('b', 'y')).rejects.toThrowError(MeshError)
  })
})

describe('the server of a client', () => {
  const other = new MemoryCa()

  it.each([
    ['of another CA', ['127.0.0.1'], { roots: { kind: 'pem', pem: other.rootPem } as const }],
    ['with another name', ['istiod.istio-system.svc'], {}],
    ['with another name than both that are accepted', ['a.b'], { alternativeHost: 'istiod.istio-system.svc' }],
  ])('%s is refused', async (_what, hosts, over) => {
    const server = await ScriptedAdsServer.start(ca, hosts)
    const { client, ended } = connect(server, { a: 'wildcard' }, over)
    open.push(server, client)
    while (ended.length < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(ended).toEqual(['ConnectionError', 'ConnectionError'])
    expect(log.text).toMatch(/certificate|altnames/)
  })

  it.each([
    ['by its address', ['127.0.0.1'], {}],
    ['by its name', ['localhost'], { host: 'localhost' }],
    ['by the alternative name', ['istiod.istio-system.svc'], { alternativeHost: 'istiod.istio-system.svc' }],
  ])('is accepted %s', async (_what, hosts, over) => {
    const server = await ScriptedAdsServer.start(ca, hosts)
    const { client } = connect(server, { a: 'wildcard' }, over)
    open.push(server, client)
    expect((await (await server.nextStream()).next()).typeUrl).toBe('a')
  })

  it('is not spoken to without a token that can be sent', async () => {
    const { server, ended } = await start({ a: 'wildcard' }, { token: { kind: 'literal', token: 'jwt\n' } })
    while (ended.length < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(log.text).toContain('ends with a line end')
    expect(log.text).not.toContain('jwt')
    await server.close()
    open.splice(open.indexOf(server), 1)
  })
})
