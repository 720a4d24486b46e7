import { describe, expect, it } from 'vitest'
import type { TrafficPolicy } from '#shared/l7'
import { DEFAULT_TRAFFIC_POLICY } from '#shared/l7'
import type { Workload } from '#shared/model'
import {
  type AttemptOutcome,
  type Balancer,
  type ClusterBackend,
  createBalancer,
  type Picked,
  type PickFacts,
  type PickRefusal,
} from '../../../../src/waypoint/balance/index.ts'
import { ClusterView, SeededClock } from '../../../support/cluster-view.ts'
import { gateway, ip, service, type WorkloadInput, workload } from '../../../support/mesh-builder.ts'
import { OUTLIERS } from '../../../support/outlier-policies.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

const WEB = 'default/web.default.svc.cluster.local'
const web = service({ name: 'web', vips: ['10.96.0.1'] })
const backend: ClusterBackend = {
  kind: 'cluster',
  namespace: 'default',
  hostname: 'web.default.svc.cluster.local',
  port: 80,
  subset: '',
}
const v2: ClusterBackend = { ...backend, subset: 'v2' }
const failed: AttemptOutcome = { kind: 'answered', status: 503 }
const answered: AttemptOutcome = { kind: 'answered', status: 200 }

function pod(name: string, last: number, input: Partial<WorkloadInput> = {}): Workload {
  return workload({ name, addresses: [`10.0.0.${last}`], services: { [WEB]: { 80: 8080 } }, ...input })
}

const a = pod('a', 1)
const b = pod('b', 2)
const c = pod('c', 3)

interface Set {
  readonly view: ClusterView
  readonly clock: SeededClock
  readonly balancer: Balancer
}

function balanced(workloads: readonly Workload[], policy: Partial<TrafficPolicy> = {}, self?: Workload): Set {
  const view = new ClusterView([web, ...workloads])
  view.put(backend, policy)
  const clock = new SeededClock()
  return { view, clock, balancer: createBalancer({ view, clock, self: () => self }) }
}

const facts: PickFacts = {
  exchange: exchangeOf(),
  avoid: [],
  isRetry: false,
  usesRemoteLocalities: false,
  dialled: undefined,
}

function picked(outcome: Picked | PickRefusal): Picked {
  if (typeof outcome === 'string') throw new Error(outcome)
  return outcome
}

/** Shares of endpoints over many requests, each over before the next. */
function shares(balancer: Balancer, to = backend, count = 5_000): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const one = balancer.pick(to, facts)
    const name = typeof one === 'string' ? one : one.endpoint.workload.name
    counts[name] = (counts[name] ?? 0) + 1
    if (typeof one !== 'string') one.done(answered)
  }
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, Math.round((20 * n) / count) / 20]))
}

function fail(balancer: Balancer, name: string): void {
  for (let i = 0; i < 5; ) {
    const one = picked(balancer.pick(backend, facts))
    const isIt = one.endpoint.workload.name === name
    one.done(isIt ? failed : answered)
    if (isIt) i++
  }
}

describe('who may be picked', () => {
  it.each<[string, readonly Workload[], ClusterBackend, Readonly<Record<string, number>>]>([
    ['healthy endpoints', [a, b, pod('sick', 9, { status: 'Unhealthy' })], backend, { a: 0.5, b: 0.5 }],
    ['shares by capacity', [a, pod('b', 2, { capacity: 3 })], backend, { a: 0.25, b: 0.75 }],
    ['nobody of capacity 0', [a, pod('b', 2, { capacity: 0 })], backend, { a: 1 }],
    ['nobody of another network without a gateway', [a, pod('b', 2, { network: 'far' })], backend, { a: 1 }],
    [
      'somebody behind a gateway',
      [pod('b', 2, { network: 'far', networkGateway: gateway('/10.9.9.9') })],
      backend,
      { b: 1 },
    ],
    ['nobody without an address', [a, pod('b', 2, { addresses: [] })], backend, { a: 1 }],
    ['a host name will do', [pod('b', 2, { addresses: [], hostname: 'b.example' })], backend, { b: 1 }],
    ['nobody at a port that the service has not', [a], { ...backend, port: 81 }, { 'no-healthy-endpoint': 1 }],
    ['no cluster without a service', [a], { ...backend, hostname: 'none' }, { 'no-cluster': 1 }],
    ['nobody of a subset that is not described', [a], v2, { 'no-healthy-endpoint': 1 }],
  ])('%s', (_, workloads, to, expected) => {
    expect(shares(balanced(workloads).balancer, to)).toEqual(expected)
  })

  it('the endpoints of a subset, as soon as their labels say so', () => {
    const { view, balancer } = balanced([a, b])
    view.put(v2, {}, { version: 'v2' })
    expect(shares(balancer, v2)).toEqual({ 'no-healthy-endpoint': 1 })
    view.label(b, { version: 'v2', app: 'web' })
    expect(shares(balancer, v2)).toEqual({ b: 1 })
    view.label(b, { version: 'v3' })
    view.label(a, { version: 'v2' })
    expect(shares(balancer, v2)).toEqual({ a: 1 })
  })

  it.each<[string, number, number, number | undefined]>([
    ['the port of the workload', 8080, 9090, 9090],
    ['the port of the service', 8080, 0, undefined],
    ['a named port that each workload says', 0, 9191, 9191],
    ['nobody when nobody says it', 0, 0, undefined],
  ])('dials %s', (_, ofService, ofWorkload, expected) => {
    const view = new ClusterView([
      service({ name: 'web', ports: { 80: ofService } }),
      pod('a', 1, { services: { [WEB]: { 80: ofWorkload } } }),
    ])
    const balancer = createBalancer({ view, clock: new SeededClock(), self: () => undefined })
    const one = balancer.pick(backend, facts)
    expect(typeof one === 'string' ? undefined : one.endpoint.address.port).toBe(expected)
  })
})

describe('localities', () => {
  const zone = (name: string, last: number, place: string): Workload =>
    pod(name, last, { locality: { region: 'r1', zone: place, subzone: '' } })
  const self = zone('waypoint', 99, 'z1')
  const near = zone('near', 1, 'z1')
  const far = zone('far', 2, 'z2')

  it('share 70 to 30', () => {
    const locality = {
      kind: 'distribute',
      rules: [
        {
          from: 'r1/z1/*',
          to: [
            { locality: 'r1/z1/*', weight: 70 },
            { locality: 'r1/z2/*', weight: 30 },
          ],
        },
      ],
    } as const
    const { balancer } = balanced([near, far, zone('far2', 3, 'z2')], { locality }, self)
    expect(shares(balancer)).toEqual({ near: 0.7, far: 0.15, far2: 0.15 })
  })

  it('fail over when the near ones are ejected, and back', async () => {
    const { balancer, clock } = balanced(
      [near, far],
      { locality: { kind: 'failover', regions: [] }, outliers: OUTLIERS },
      self,
    )
    expect(shares(balancer)).toEqual({ near: 1 })
    fail(balancer, 'near')
    expect(shares(balancer)).toEqual({ far: 1 })
    await clock.advance(40_000)
    expect(shares(balancer)).toEqual({ near: 1 })
  })

  it('let retries go further when they may', () => {
    const { balancer } = balanced(
      [near, far],
      { locality: { kind: 'failover', regions: [] }, outliers: OUTLIERS },
      self,
    )
    const first = picked(balancer.pick(backend, facts))
    const retry = { ...facts, isRetry: true, avoid: [first.endpoint] }
    expect(picked(balancer.pick(backend, retry)).endpoint).toBe(first.endpoint)
    const second = picked(balancer.pick(backend, { ...retry, usesRemoteLocalities: true }))
    expect(second.endpoint.workload.name).toBe('far')
  })
})

describe('retries', () => {
  it.each(['least-request', 'round-robin', 'random'] as const)('always go to another endpoint with %s', (kind) => {
    const { balancer } = balanced([a, b], { balancing: { kind } })
    for (let i = 0; i < 500; i++) {
      const first = picked(balancer.pick(backend, facts))
      const second = picked(balancer.pick(backend, { ...facts, avoid: [first.endpoint], isRetry: true }))
      expect(second.endpoint).not.toBe(first.endpoint)
      first.done(answered)
      second.done(answered)
    }
  })

  it('stay where a hash keeps them', () => {
    const table = { kind: 'maglev', size: 65_537 } as const
    const { balancer } = balanced([a, b], { balancing: { kind: 'hash', key: { kind: 'source-ip' }, table } })
    const first = picked(balancer.pick(backend, facts))
    const second = picked(balancer.pick(backend, { ...facts, avoid: [first.endpoint], isRetry: true }))
    expect(second.endpoint).toBe(first.endpoint)
  })

  it('go to the failed endpoint when there is no other', () => {
    const { balancer } = balanced([a])
    const first = picked(balancer.pick(backend, facts))
    expect(picked(balancer.pick(backend, { ...facts, avoid: [first.endpoint], isRetry: true })).endpoint).toBe(
      first.endpoint,
    )
  })
})

describe('bounds', () => {
  const pool = DEFAULT_TRAFFIC_POLICY.pool

  it('refuse requests beyond maxRequests, until one ends', () => {
    const { balancer } = balanced([a, b], { pool: { ...pool, maxRequests: 2 } })
    const first = picked(balancer.pick(backend, facts))
    picked(balancer.pick(backend, facts))
    expect(balancer.pick(backend, facts)).toBe('too-many-requests')
    first.done(answered)
    first.done(answered)
    picked(balancer.pick(backend, facts))
    expect(balancer.pick(backend, facts)).toBe('too-many-requests')
    expect(balancer.dump()[0]?.counters).toMatchObject({ requests: 3, refusedRequests: 2 })
  })
})

describe('a mesh that changes', () => {
  it('keeps endpoint, counts and ejection of who stays', () => {
    const { balancer, view } = balanced([a, b, c], { outliers: OUTLIERS, balancing: { kind: 'random' } })
    fail(balancer, 'a')
    const held = picked(balancer.pick(backend, facts))
    const name = held.endpoint.workload.name
    const renewed = name === 'b' ? { ...b, node: 'node-z' } : { ...c, node: 'node-z' }
    view.tell([renewed, { ...a, node: 'node-y' }, pod('d', 4)])
    expect(shares(balancer)).toEqual({ b: 0.35, c: 0.35, d: 0.35 })
    expect(held.endpoint.workload).toBe(renewed)
    expect(held.endpoint.activeRequests).toBe(1)
    const dumped = balancer.dump()[0]!.endpoints.find(({ uid }) => uid === a.uid)
    expect(dumped).toMatchObject({ isEjected: true, ejections: 1 })
  })

  it('sends nothing more to who has gone, whose request may end', () => {
    const { balancer, view } = balanced([a, b])
    const held = [picked(balancer.pick(backend, facts)), picked(balancer.pick(backend, facts))]
    view.tell([], [a.uid])
    expect(shares(balancer)).toEqual({ b: 1 })
    for (const one of held) one.done(failed)
    expect(balancer.clusterOf(backend)!.activeRequests).toBe(0)
  })

  it('takes another address of a workload for another endpoint', () => {
    const { balancer, view } = balanced([a])
    const before = picked(balancer.pick(backend, facts)).endpoint
    view.tell([pod('a', 77)])
    const after = picked(balancer.pick(backend, facts)).endpoint
    expect(after).not.toBe(before)
    expect(after.address).toMatchObject({ ip: '10.0.0.77' })
  })

  it('counts requests of one endpoint in all of its clusters', () => {
    const { balancer, view } = balanced([a])
    view.put(v2, {}, { version: 'v2' })
    view.label(a, { version: 'v2' })
    const one = picked(balancer.pick(backend, facts))
    const two = picked(balancer.pick(v2, facts))
    expect(one.endpoint).toBe(two.endpoint)
    expect(one.endpoint.activeRequests).toBe(2)
    expect(one.cluster.activeRequests).toBe(1)
  })

  it('takes a new policy at once', () => {
    const { balancer, view } = balanced([a, b], { balancing: { kind: 'random' } })
    const cluster = balancer.clusterOf(backend)!
    view.put(backend, { pool: { ...DEFAULT_TRAFFIC_POLICY.pool, maxRequests: 0 } })
    expect(balancer.pick(backend, facts)).toBe('too-many-requests')
    expect(balancer.clusterOf({ ...backend })).toBe(cluster)
  })

  it('forgets a cluster whose service is gone, and starts anew when it is back', () => {
    const { balancer, view } = balanced([a])
    shares(balancer)
    view.tell([], [WEB])
    expect(balancer.pick(backend, facts)).toBe('no-cluster')
    expect(balancer.dump()).toEqual([])
    view.tell([web])
    expect(shares(balancer)).toEqual({ a: 1 })
  })

  it('warms a new endpoint up', async () => {
    const warmup = { durationMs: 100_000, minimumPercent: 10, aggression: 1 }
    const { balancer, view, clock } = balanced([a], { warmup, balancing: { kind: 'round-robin' } })
    shares(balancer)
    await clock.advance(200_000)
    view.tell([b])
    expect(shares(balancer).b).toBe(0.1)
    await clock.advance(50_000)
    expect(shares(balancer).b).toBe(0.35)
    await clock.advance(50_000)
    expect(shares(balancer).b).toBe(0.5)
  })
})

describe('ejections', () => {
  it('leave nobody when all are ejected and there is no panic', () => {
    const { balancer } = balanced([a], { outliers: OUTLIERS })
    fail(balancer, 'a')
    expect(balancer.pick(backend, facts)).toBe('no-healthy-endpoint')
    expect(balancer.dump()[0]?.counters).toMatchObject({ ejections: 1, withoutEndpoint: 1 })
  })

  it('are ignored below minHealthPercent', () => {
    const { balancer } = balanced([a, b, c], { outliers: { ...OUTLIERS, minHealthPercent: 50 } })
    fail(balancer, 'a')
    expect(shares(balancer)).toEqual({ b: 0.5, c: 0.5 })
    fail(balancer, 'b')
    expect(shares(balancer)).toEqual({ a: 0.35, b: 0.35, c: 0.35 })
  })

  it('give who comes back no turns to catch up on', async () => {
    const { balancer, clock } = balanced([a, b], { outliers: OUTLIERS, balancing: { kind: 'round-robin' } })
    fail(balancer, 'a')
    shares(balancer)
    await clock.advance(40_000)
    expect(shares(balancer, backend, 20)).toEqual({ a: 0.5, b: 0.5 })
  })
})

describe('passthrough', () => {
  const passthrough = { balancing: { kind: 'passthrough' } } as const
  const to = (address: string): PickFacts => ({ ...facts, dialled: { ip: ip(address), port: 9_000 } })

  it.each<[string, string, string]>([
    ['the endpoint that was dialled', '10.0.0.2', '10.0.0.2:8080'],
    ['an address that is no endpoint', '192.0.2.1', '192.0.2.1:9000'],
    ['any endpoint for an address of the service', '10.96.0.1', '10.0.0.1:8080 10.0.0.2:8080'],
  ])('goes to %s', (_, dialled, expected) => {
    const { balancer } = balanced([a, b], passthrough)
    const found = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const { address } = picked(balancer.pick(backend, to(dialled))).endpoint
      found.add(`${address.kind === 'address' ? address.ip : ''}:${address.port}`)
    }
    expect([...found].sort().join(' ')).toBe(expected)
  })
})

describe('a large set', () => {
  it('of 1,000 endpoints keeps all but the changed one', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => pod(`w${i}`, 0, { addresses: [`10.1.${i >> 8}.${i & 255}`] }))
    const { balancer, view } = balanced(many)
    const before = new Set<unknown>()
    for (let i = 0; i < 1_000; i++) before.add(picked(balancer.pick(backend, facts)).endpoint)
    view.tell([{ ...many[0]!, node: 'node-z' }], [many[1]!.uid])
    const after = balancer.dump()[0]!
    expect(after.endpoints).toHaveLength(999)
    expect(after.endpoints.reduce((sum, { activeRequests }) => sum + activeRequests, 0)).toBeGreaterThan(990)
  })
})
