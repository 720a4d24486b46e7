import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { AdsServer, type AdsServerSettings, type EncodedResource, startRpcServer } from '#shared/xds'
import { connectMany, RecordedLog, ScriptedAdsClient } from '../../support/ads-peer.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

const ca = new MemoryCa()
const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

interface Started {
  readonly server: AdsServer
  readonly port: number
  readonly events: string[]
  readonly log: RecordedLog
  put(name: string, version?: string, aliases?: readonly string[]): void
  remove(name: string): void
}

const TYPE = 'type.example/a'
const POLICIES = 'type.example/p'

async function start(over: Partial<AdsServerSettings> = {}): Promise<Started> {
  const store = new Map<string, EncodedResource>()
  const events: string[] = []
  const log = new RecordedLog()
  const server = new AdsServer({
    source: (client, typeUrl) =>
      [TYPE, POLICIES].includes(typeUrl)
        ? {
            all: () => (typeUrl === TYPE ? store.values() : []),
            get: (name) => store.get(name),
            resolve: (name) => [...store.values()].filter((one) => one.name === name || one.aliases.includes(name)),
            isUnasked: (one) => one.name === `on-${String(client.node.metadata.NODE_NAME)}`,
          }
        : undefined,
    authenticate: async (call) => {
      if (call.token === 'wrong') throw new Error('expired')
      return call.token
    },
    clock: systemClock,
    log,
    observer: {
      connected: (client) => void events.push(`connected ${client.node.id} as ${client.peer.principal}`),
      disconnected: (client) => void events.push(`disconnected ${client.node.id}`),
      acknowledged: (_client, typeUrl) => void events.push(`ack ${typeUrl}`),
      rejected: (_client, typeUrl, _nonce, message) => void events.push(`nack ${typeUrl} ${message}`),
    },
    ...over,
  })
  const rpc = await startRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    keyPair: ca.server(),
    handlers: [server.handler],
    clock: systemClock,
  })
  open.push(rpc, server)
  return {
    server,
    port: rpc.port,
    events,
    log,
    put(name, version = '1', aliases = []) {
      store.set(name, { name, version, aliases, body: Buffer.from(`${name}@${version}`) })
      server.push(TYPE, [name], { push: 1, changedAtMs: 0, toldAtMs: 0 })
    },
    remove(name) {
      store.delete(name)
      server.push(TYPE, [name], { push: 1, changedAtMs: 0, toldAtMs: 0 })
    },
  }
}

function connect(port: number, headers: Record<string, string> = {}): ScriptedAdsClient {
  const client = new ScriptedAdsClient(port, ca, headers)
  open.push(client)
  return client
}

const node = {
  id: 'ztunnel~1.1.1.1~z.ns~ns.svc.cluster.local',
  metadata: { fields: { NODE_NAME: { stringValue: 'node-a' } } },
}
const onDemand = { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] }

const names = (response: { readonly resources: readonly { readonly name: string }[] }): string[] =>
  response.resources.map((one) => one.name).sort()

describe('a wildcard client', () => {
  it('gets everything with versions, aliases and bodies', async () => {
    const { port, put } = await start()
    put('a', 'v7', ['/10.0.0.1'])
    const client = connect(port)
    client.send({ typeUrl: TYPE, node })
    const response = await client.next()
    expect(response).toMatchObject({ typeUrl: TYPE, removedResources: [] })
    expect(response.nonce).not.toBe('')
    expect(response.resources).toEqual([
      expect.objectContaining({
        name: 'a',
        version: 'v7',
        aliases: ['/10.0.0.1'],
        resource: { type_url: TYPE, value: Buffer.from('a@v7') },
      }),
    ])
  })

  it('gets an answer for each type it asks for, in order, be it empty', async () => {
    const { port } = await start()
    const client = connect(port)
    client.send({ typeUrl: TYPE, node })
    client.send({ typeUrl: POLICIES, node })
    const responses = [await client.next(), await client.next()]
    expect(responses.map((one) => [one.typeUrl, one.resources.length])).toEqual([
      [TYPE, 0],
      [POLICIES, 0],
    ])
    expect(new Set(responses.map((one) => one.nonce)).size).toBe(2)
  })

  it('gets the next response of a type only when it has acknowledged the last, with everything since', async () => {
    const { port, put, remove } = await start()
    put('a')
    const client = connect(port)
    client.send({ typeUrl: TYPE, node })
    const first = await client.next()
    put('b')
    put('c')
    remove('a')
    put('c', '2')
    await client.ping()
    expect(client.isQuiet).toBe(true)
    client.send({ typeUrl: TYPE, responseNonce: first.nonce })
    const second = await client.next()
    expect(names(second)).toEqual(['b', 'c'])
    expect(second.resources.find((one) => one.name === 'c')?.version).toBe('2')
    expect(second.removedResources).toEqual(['a'])
  })

  it('gets no more for a stale nonce', async () => {
    const { port, put } = await start()
    const client = connect(port)
    client.send({ typeUrl: TYPE, node })
    await client.next()
    put('a')
    client.send({ typeUrl: TYPE, responseNonce: 'made up' })
    await client.ping()
    expect(client.isQuiet).toBe(true)
  })

  it('that comes back gets what differs, and what it holds in vain is removed', async () => {
    const { port, put } = await start()
    put('same')
    put('newer', '2')
    put('new')
    const client = connect(port)
    client.send({ typeUrl: TYPE, node, initialResourceVersions: { same: '1', newer: '1', gone: '1' } })
    const response = await client.next()
    expect(names(response)).toEqual(['new', 'newer'])
    expect(response.removedResources).toEqual(['gone'])
  })

  it('that rejects is heard, and gets later changes all the same', async () => {
    const { port, put, events } = await start()
    put('a')
    const client = connect(port)
    client.send({ typeUrl: TYPE, node })
    const { nonce } = await client.next()
    client.send({ typeUrl: TYPE, responseNonce: nonce, errorDetail: { code: 0, message: 'a: bad' } })
    put('a', '2')
    expect(names(await client.next())).toEqual(['a'])
    expect(events).toContain(`nack ${TYPE} a: bad`)
  })
})

describe('a client on demand', () => {
  it('gets what is of its node, then what it asks for', async () => {
    const { port, put } = await start()
    put('on-node-a')
    put('on-node-b')
    put('far', '1', ['/10.0.0.9'])
    const client = connect(port)
    client.send({ typeUrl: TYPE, node, ...onDemand })
    const first = await client.next()
    expect(names(first)).toEqual(['on-node-a'])
    client.send({ typeUrl: TYPE, responseNonce: first.nonce })
    client.send({ typeUrl: TYPE, resourceNamesSubscribe: ['/10.0.0.9', '/10.0.0.8'] })
    const second = await client.next()
    expect(names(second)).toEqual(['far'])
    expect([...second.removedResources].sort()).toEqual(['/10.0.0.8', '/10.0.0.9'])
  })
})

describe('many clients', () => {
  it('each get every change, and are listed', async () => {
    const { port, put, server } = await start()
    const clients = Array.from({ length: 5 }, () => connect(port))
    for (const [i, client] of clients.entries()) client.send({ typeUrl: TYPE, node: { id: `n${i}` } })
    for (const client of clients) client.send({ typeUrl: TYPE, responseNonce: (await client.next()).nonce })
    for (const client of clients) await client.ping()
    put('a')
    for (const client of clients) expect(names(await client.next())).toEqual(['a'])
    expect(server.clients().map((one) => [one.node.id, one.watches[0]?.mode, one.watches[0]?.heldCount])).toEqual(
      clients.map((_, i) => [`n${i}`, 'wildcard', 1]),
    )
  })

  it('are cut to the number that is allowed', async () => {
    const { port } = await start({ maxClients: 1 })
    const first = connect(port)
    first.send({ typeUrl: TYPE, node })
    await first.next()
    expect(await connect(port).status).toMatchObject({ code: 8 })
  })
})

describe('who calls', () => {
  it('is known by its token, and told to whoever decides', async () => {
    const { port, events } = await start()
    const client = connect(port, { authorization: 'Bearer jwt' })
    client.send({ typeUrl: TYPE, node })
    await client.next()
    expect(events).toEqual([`connected ${node.id} as jwt`])
    client.close()
    while (events.length < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(events[1]).toBe(`disconnected ${node.id}`)
  })

  it('learns nothing but that it is refused', async () => {
    const { port, log } = await start()
    const client = connect(port, { authorization: 'Bearer wrong' })
    expect(await client.status).toEqual({ code: 16, message: 'authentication failure' })
    expect(log.text).toContain('expired')
    expect(log.text).not.toContain('wrong')
  })
})

describe('a client that does not keep to the protocol', () => {
  it.each([
    ['sends no node', (client: ScriptedAdsClient) => client.send({ typeUrl: TYPE }), 3],
    ['sends an empty node id', (client: ScriptedAdsClient) => client.send({ typeUrl: TYPE, node: { id: '' } }), 3],
    [
      'asks for a name of 5,000 characters',
      (client: ScriptedAdsClient) => client.send({ typeUrl: TYPE, node, resourceNamesSubscribe: ['x'.repeat(5000)] }),
      3,
    ],
    ['sends bytes that are no request', (client: ScriptedAdsClient) => client.sendBytes(Buffer.from('ffff', 'hex')), 3],
  ])('and %s is cut', async (_what, act, code) => {
    const { port } = await start()
    const client = connect(port)
    act(client)
    expect(await client.status).toMatchObject({ code })
  })

  it('and asks for a type that is not served is left without an answer to it', async () => {
    const { port, log } = await start()
    const client = connect(port)
    client.send({ typeUrl: 'type.example/unknown', node })
    client.send({ typeUrl: TYPE })
    expect(await client.next()).toMatchObject({ typeUrl: TYPE })
    expect(log.text).toContain('type.example/unknown')
  })

  it('and is one of a thousand that come at once is let in at a bounded rate, and served', async () => {
    const clock = new FakeClock()
    const { port, put } = await start({ clock, gate: { perSecond: 100, burst: 100, longestWaitMs: 10_000 } })
    put('a')
    let served = 0
    const all = connectMany(port, ca, 1_000)
    open.push(all)
    const answered = all.clients.map(async (client, i) => {
      client.send({ typeUrl: TYPE, node: { id: `n${i}` } })
      expect((await client.next()).resources).toHaveLength(1)
      served++
    })
    await expect.poll(() => served).toBe(100)
    await all.ping()
    expect(served).toBe(100)
    for (let second = 2; second <= 10; second++) {
      for (let i = 0; i < 100; i++) await clock.advance(10)
      await expect.poll(() => served).toBe(100 * second)
    }
    await Promise.all(answered)
  })

  it('and never says who it is, or never acknowledges, is cut in time', async () => {
    const clock = new FakeClock()
    const { port, server } = await start({ clock })
    const silent = connect(port)
    const deaf = connect(port)
    deaf.send({ typeUrl: TYPE, node })
    await deaf.next()
    while (clock.pendingTimers < 2) await silent.ping()
    await clock.advance(30_000)
    expect(await silent.status).toMatchObject({ code: 4 })
    await clock.advance(30_000)
    expect(await deaf.status).toMatchObject({ code: 10 })
    expect(server.clients()).toEqual([])
  })
})

describe('the end of the server', () => {
  it('is told to every client', async () => {
    const { port, server } = await start()
    const client = connect(port)
    client.send({ typeUrl: TYPE, node })
    await client.next()
    await server.close()
    expect(await client.status).toMatchObject({ code: 14 })
    expect(await connect(port).status).toMatchObject({ code: 14 })
  })
})
