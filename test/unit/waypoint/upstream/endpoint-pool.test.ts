import { beforeEach, describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { type ConnectionPool, DEFAULT_TRAFFIC_POLICY } from '#shared/l7'
import { Canceller } from '#shared/lifecycle'
import type { RequestHead, UpstreamExchange } from '../../../../src/waypoint/codec/index.ts'
import { ClusterUse } from '../../../../src/waypoint/upstream/cluster-use.ts'
import { EndpointPool } from '../../../../src/waypoint/upstream/endpoint-pool.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { FakeHttpClient } from '../../../support/fake-http-client.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

let clock: FakeClock
let use: ClusterUse
let policy: ConnectionPool
/** Dials under way, each to be answered by the test. */
let dials: PromiseWithResolvers<FakeHttpClient>[]
let emptied: number

beforeEach(() => {
  clock = new FakeClock()
  use = new ClusterUse()
  policy = DEFAULT_TRAFFIC_POLICY.pool
  dials = []
  emptied = 0
})

function poolOf(protocol: 'http1' | 'http2' = 'http1', shared: ClusterUse = use): EndpointPool {
  return new EndpointPool({
    clock,
    protocol,
    use: shared,
    policy: () => policy,
    dial: () => {
      const dial = Promise.withResolvers<FakeHttpClient>()
      dials.push(dial)
      return { connection: dial.promise, cancel: () => dial.reject(new MeshError('CLIENT_GONE', 'given up')) }
    },
    onEmpty: () => emptied++,
  })
}

function get(target: string): RequestHead {
  return exchangeOf({ target }).request
}

interface Sent {
  readonly outcome: string | undefined
  readonly exchange: UpstreamExchange | undefined
}

/** Sends, and keeps book of what became of it: undefined while it waits. */
function send(pool: EndpointPool, target = '/', cancellation = new Canceller()): Sent {
  const sent: { outcome: string | undefined; exchange: UpstreamExchange | undefined } = {
    outcome: undefined,
    exchange: undefined,
  }
  const done = (exchange: UpstreamExchange): void => {
    sent.outcome = 'sent'
    sent.exchange = exchange
  }
  const failed = (error: unknown): void => {
    sent.outcome = error instanceof MeshError ? error.code : String(error)
  }
  try {
    const outcome = pool.send(get(target), 0, cancellation)
    if (outcome instanceof Promise) outcome.then(done, failed)
    else done(outcome)
  } catch (error) {
    failed(error)
  }
  return sent
}

async function connected(at: number, client = new FakeHttpClient()): Promise<FakeHttpClient> {
  dials[at]!.resolve(client)
  await settle()
  return client
}

const failure = new MeshError('UPSTREAM_CONNECT_FAILED', 'refused')

describe('a pool of HTTP/1', () => {
  it('dials for each request that has no connection, and reuses what is free at once', async () => {
    const pool = poolOf()
    const [one, two] = [send(pool, '/1'), send(pool, '/2')]
    expect(dials).toHaveLength(2)
    const first = await connected(0)
    const second = await connected(1)
    expect([one.outcome, two.outcome]).toEqual(['sent', 'sent'])
    first.finish()
    expect(send(pool, '/3').outcome).toBe('sent')
    expect([first.sent, second.sent]).toEqual([['/1', '/3'], ['/2']])
    expect(dials).toHaveLength(2)
  })

  it('uses the connection that was made last, so that those in front run out', async () => {
    const pool = poolOf()
    send(pool)
    send(pool)
    const [first, second] = [await connected(0), await connected(1)]
    first.finish()
    second.finish()
    send(pool, '/again')
    expect(second.sent).toEqual(['/', '/again'])
  })

  it('serves those who wait in order, whichever connection becomes free first', async () => {
    const pool = poolOf()
    send(pool, '/1')
    const client = await connected(0)
    const [two, three] = [send(pool, '/2'), send(pool, '/3')]
    client.finish()
    await settle()
    expect([two.outcome, three.outcome]).toEqual(['sent', undefined])
    await connected(1)
    expect(three.outcome).toBe('sent')
  })

  it('lets the request of a failed dial fail, and the others wait for theirs', async () => {
    const pool = poolOf()
    const [one, two] = [send(pool, '/1'), send(pool, '/2')]
    dials[0]!.reject(failure)
    await settle()
    expect([one.outcome, two.outcome]).toEqual(['UPSTREAM_CONNECT_FAILED', undefined])
    await connected(1)
    expect(two.outcome).toBe('sent')
    expect(use.connections).toBe(1)
  })

  it('forgets a connection that was closed while it was idle', async () => {
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    client.finish()
    client.lose()
    expect(emptied).toBe(1)
    expect(use.connections).toBe(0)
    const next = send(pool)
    expect([next.outcome, dials.length]).toEqual([undefined, 2])
  })
})

describe('a pool of HTTP/2', () => {
  it('makes one connection for all, and another when that is full', async () => {
    const pool = poolOf('http2')
    const sent = Array.from({ length: 5 }, () => send(pool))
    expect(dials).toHaveLength(1)
    await connected(0, new FakeHttpClient('http2', 4))
    expect(sent.map(({ outcome }) => outcome)).toEqual(['sent', 'sent', 'sent', 'sent', undefined])
    await connected(1, new FakeHttpClient('http2', 4))
    expect(sent[4]!.outcome).toBe('sent')
  })

  it('keeps to maxConcurrentStreams', async () => {
    policy = { ...policy, maxConcurrentStreams: 2 }
    const pool = poolOf('http2')
    for (let i = 0; i < 4; i++) send(pool)
    expect(dials).toHaveLength(2)
    const first = await connected(0, new FakeHttpClient('http2'))
    const second = await connected(1, new FakeHttpClient('http2'))
    expect([first.activeCount, second.activeCount]).toEqual([2, 2])
  })

  it('lets all fail with the only dial', async () => {
    const pool = poolOf('http2')
    const sent = [send(pool), send(pool), send(pool)]
    dials[0]!.reject(failure)
    await settle()
    expect(sent.map(({ outcome }) => outcome)).toEqual(new Array(3).fill('UPSTREAM_CONNECT_FAILED'))
    expect([use.connections, use.pending, emptied]).toEqual([0, 0, 1])
  })

  it('turns to a new connection when the peer takes no more on the old one, which ends its requests', async () => {
    const pool = poolOf('http2')
    send(pool)
    const old = await connected(0, new FakeHttpClient('http2'))
    old.goAway()
    send(pool)
    const fresh = await connected(1, new FakeHttpClient('http2'))
    expect([old.activeCount, old.isClosed, fresh.activeCount]).toEqual([1, false, 1])
    old.finish()
    expect(old.isClosed).toBe(true)
  })
})

describe('bounds', () => {
  it('maxConnections makes requests wait for a connection that is busy', async () => {
    policy = { ...policy, maxConnections: 1 }
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    const next = send(pool)
    expect([dials.length, next.outcome]).toEqual([1, undefined])
    client.finish()
    await settle()
    expect(next.outcome).toBe('sent')
  })

  it('maxConnections counts all endpoints of the cluster, but each gets one', async () => {
    policy = { ...policy, maxConnections: 1 }
    const [one, other] = [poolOf(), poolOf()]
    send(one)
    send(other)
    expect([dials.length, use.connections]).toEqual([2, 2])
    send(other)
    expect([dials.length, use.refused.connections]).toEqual([2, 1])
  })

  it('maxPendingRequests refuses those beyond it', async () => {
    policy = { ...policy, maxConnections: 1, maxPendingRequests: 1 }
    const pool = poolOf()
    send(pool)
    await connected(0)
    const [waits, refused] = [send(pool), send(pool)]
    expect([waits.outcome, refused.outcome]).toEqual([undefined, 'TUNNEL_POOL_UNAVAILABLE'])
    expect(use.refused.pending).toBe(1)
  })

  it('a pool that refuses its first request is empty again', () => {
    policy = { ...policy, maxPendingRequests: 0 }
    expect(send(poolOf()).outcome).toBe('TUNNEL_POOL_UNAVAILABLE')
    expect(emptied).toBe(1)
  })

  it('maxRequestsPerConnection closes it behind the last one', async () => {
    policy = { ...policy, maxRequestsPerConnection: 2 }
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    client.finish()
    send(pool)
    expect([client.isRetired, client.isClosed]).toEqual([true, false])
    send(pool)
    expect(dials).toHaveLength(2)
    client.finish()
    expect(client.isClosed).toBe(true)
  })

  it('who waits for a connection that is used up gets a new one', async () => {
    policy = { ...policy, maxConnections: 1, maxRequestsPerConnection: 1 }
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    const next = send(pool)
    client.finish()
    await settle()
    await connected(1)
    expect([next.outcome, use.connections]).toEqual(['sent', 1])
  })

  it('a connection ends at its age, but not its request', async () => {
    policy = { ...policy, maxConnectionAgeMs: 5_000 }
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    await clock.advance(5_000)
    expect([client.isRetired, client.isClosed]).toEqual([true, false])
    client.finish()
    expect(client.isClosed).toBe(true)
  })

  it('a connection that is idle for long is closed, one in use is not', async () => {
    policy = { ...policy, httpIdleTimeoutMs: 1_000 }
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    await clock.advance(10_000)
    expect(client.isRetired).toBe(false)
    client.finish()
    await clock.advance(999)
    expect(client.isRetired).toBe(false)
    await clock.advance(1_001)
    expect(client.isClosed).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('ends', () => {
  it('who gives up while waiting leaves the line, and the connection is there for the next', async () => {
    const pool = poolOf()
    const canceller = new Canceller()
    const gone = send(pool, '/gone', canceller)
    canceller.cancel()
    await settle()
    expect([gone.outcome, use.pending]).toEqual(['CLIENT_GONE', 0])
    const client = await connected(0)
    expect(send(pool, '/next').outcome).toBe('sent')
    expect(client.sent).toEqual(['/next'])
  })

  it('retired connections finish their requests, new requests get new ones', async () => {
    const pool = poolOf()
    send(pool)
    const old = await connected(0)
    pool.retireConnections()
    expect([old.isRetired, old.isClosed]).toEqual([true, false])
    const next = send(pool)
    await connected(1)
    expect(next.outcome).toBe('sent')
    old.finish()
    expect(old.isClosed).toBe(true)
  })

  it('a closed pool refuses, and is empty behind its last request', async () => {
    const pool = poolOf()
    const running = send(pool)
    const client = await connected(0)
    const waiting = send(pool)
    pool.close()
    await settle()
    expect([running.outcome, waiting.outcome]).toEqual(['sent', 'TUNNEL_POOL_UNAVAILABLE'])
    expect(send(pool).outcome).toBe('TUNNEL_POOL_UNAVAILABLE')
    client.finish()
    expect([pool.isEmpty, use.connections, use.pending]).toEqual([true, 0, 0])
  })

  it('a destroyed pool cuts what runs', async () => {
    const pool = poolOf()
    send(pool)
    const client = await connected(0)
    pool.destroy()
    expect([client.isClosed, pool.isEmpty]).toEqual([true, true])
  })
})
