import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Endpoint } from '#shared/mesh-state'
import type { LoadBalancer, LoadBalancingScope, Service, Workload } from '#shared/model'
import { EndpointLoad } from '../../../../src/ztunnel/outbound/load.ts'
import { addressOf, drawWeighted, pick, targetPortOf } from '../../../../src/ztunnel/outbound/load-balance.ts'
import { gateway, ip, service, type WorkloadInput, workload } from '../../../support/mesh-builder.ts'

const home = { region: 'r1', zone: 'z1', subzone: 's1' }
const source = workload({ name: 'client', addresses: ['10.0.1.1'], locality: home, node: 'node-a', clusterId: 'c1' })

function endpoint(input: WorkloadInput, ports: Record<number, number> = {}): Endpoint {
  const address = { addresses: ['10.0.2.1'], locality: home, node: 'node-a', clusterId: 'c1' }
  return {
    workload: workload({ ...address, ...input }),
    ports: new Map(Object.entries(ports).map(([from, to]) => [Number(from), to])),
  }
}

function balanced(mode: LoadBalancer['mode'], ...routingPreferences: readonly LoadBalancingScope[]): Service {
  return service({ name: 'web', loadBalancer: { mode, routingPreferences, healthPolicy: 'OnlyHealthy' } })
}

/** Names of everything that may be picked, found by drawing at many points. */
function pickable(
  endpoints: readonly Endpoint[],
  web: Service,
  options: { servicePort?: number; mode?: 'standard' | 'waypoint' } = {},
): readonly string[] {
  const request = { source, service: web, servicePort: options.servicePort ?? 80, mode: options.mode ?? 'standard' }
  const draws = Array.from(
    { length: 101 },
    (_, i) => pick(endpoints, request, { random: () => i / 101 })?.workload.name ?? '-',
  )
  return [...new Set(draws)].sort()
}

describe('which endpoints may be picked', () => {
  const plain = service({ name: 'web' })
  const named = service({ name: 'web', ports: { 80: 0 } })
  const tunnelled = { applicationTunnel: { protocol: 'PROXY', port: 15_088 } } as const
  it.each<[string, readonly string[], readonly string[]]>([
    [
      'all of a service without preferences',
      pickable([endpoint({ name: 'a' }), endpoint({ name: 'b' })], plain),
      ['a', 'b'],
    ],
    ['none of none', pickable([], plain), ['-']],
    [
      'not those without address and host name',
      pickable([endpoint({ name: 'a', addresses: [] }), endpoint({ name: 'b' })], plain),
      ['b'],
    ],
    [
      'those with a host name only',
      pickable([endpoint({ name: 'a', addresses: [], hostname: 'a.example' })], plain),
      ['a'],
    ],
    [
      'those without address behind the gateway of another network',
      pickable([endpoint({ name: 'a', addresses: [], network: 'far', networkGateway: gateway('x/y') })], plain),
      ['a'],
    ],
    [
      'not those without address whose gateway is in the own network',
      pickable([endpoint({ name: 'a', addresses: [], networkGateway: gateway('x/y') })], plain),
      ['-'],
    ],
    [
      'with a named port: those that say it, 0 included',
      pickable(
        [endpoint({ name: 'a' }), endpoint({ name: 'b' }, { 80: 9000 }), endpoint({ name: 'c' }, { 80: 0 })],
        named,
      ),
      ['b', 'c'],
    ],
    [
      'none by a port that the service lacks, whatever they map',
      pickable([endpoint({ name: 'a' }, { 81: 9000 })], plain, { servicePort: 81 }),
      ['-'],
    ],
    [
      'by a port that a waypoint’s service lacks: those that unwrap tunnels themselves',
      pickable([endpoint({ name: 'a' }), endpoint({ name: 'b', ...tunnelled })], plain, {
        servicePort: 81,
        mode: 'waypoint',
      }),
      ['b'],
    ],
    [
      'not those without capacity',
      pickable([endpoint({ name: 'a', capacity: 0 }), endpoint({ name: 'b', capacity: 5 })], plain),
      ['b'],
    ],
    ['none when nobody has capacity', pickable([endpoint({ name: 'a', capacity: 0 })], plain), ['-']],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected)
  })
})

describe('endpoints that have failed', () => {
  const request = { source, service: service({ name: 'web' }), servicePort: 80, mode: 'standard' } as const
  const avoiding = (endpoints: readonly Endpoint[], ...names: readonly string[]): string | undefined => {
    const avoided = new Set(names.map((name) => `Kubernetes//Pod/default/${name}`))
    return pick(endpoints, request, { random: () => 0, avoided })?.workload.name
  }

  it('are not picked again', () => {
    const endpoints = [endpoint({ name: 'a' }), endpoint({ name: 'b' })]
    expect(avoiding(endpoints, 'a')).toBe('b')
    expect(avoiding(endpoints, 'a', 'b')).toBeUndefined()
  })

  it('leave their rank to the next one', () => {
    const failover = balanced('Failover', 'Zone')
    const far = { region: 'r1', zone: 'z2', subzone: 's1' }
    const endpoints = [endpoint({ name: 'near' }), endpoint({ name: 'far', locality: far })]
    const avoided = new Set(['Kubernetes//Pod/default/near'])
    const picked = pick(endpoints, { ...request, service: failover }, { random: () => 0, avoided })
    expect(picked?.workload.name).toBe('far')
  })
})

describe('least request', () => {
  const request = { source, service: service({ name: 'web' }), servicePort: 80, mode: 'standard' } as const
  const draws =
    (...points: readonly number[]) =>
    (): number =>
      points[at++ % points.length] ?? 0
  let at = 0
  const picked = (endpoints: readonly Endpoint[], loads: Readonly<Record<string, number>>): string | undefined => {
    at = 0
    const loadOf = (uid: string): number => loads[uid.split('/').at(-1) ?? ''] ?? 0
    return pick(endpoints, request, { random: draws(0, 0.99), loadOf })?.workload.name
  }

  it.each<[string, readonly Endpoint[], Readonly<Record<string, number>>, string]>([
    ['the less busy of two', [endpoint({ name: 'a' }), endpoint({ name: 'b' })], { a: 2, b: 1 }, 'b'],
    ['the one drawn first among equals', [endpoint({ name: 'a' }), endpoint({ name: 'b' })], { a: 1, b: 1 }, 'a'],
    ['busy for its capacity', [endpoint({ name: 'a', capacity: 4 }), endpoint({ name: 'b' })], { a: 3, b: 1 }, 'a'],
    ['the only one', [endpoint({ name: 'a' })], { a: 9 }, 'a'],
    [
      'never one without capacity, however idle',
      [endpoint({ name: 'a' }), endpoint({ name: 'b', capacity: 0 })],
      { a: 9 },
      'a',
    ],
  ])('picks %s', (_, endpoints, loads, expected) => {
    expect(picked(endpoints, loads)).toBe(expected)
  })

  it('keeps connections nearly even where chance alone does not', () => {
    const endpoints = Array.from({ length: 10 }, (_, i) => endpoint({ name: `e${i}` }))
    const spread = (isLeast: boolean): number => {
      const load = new EndpointLoad()
      let seed = 7
      const random = (): number => {
        seed = (seed * 48_271) % 2_147_483_647
        return seed / 2_147_483_647
      }
      for (let i = 0; i < 1000; i++) {
        const one = pick(endpoints, request, { random, loadOf: isLeast ? load.of : undefined })
        load.enter(one?.workload.uid ?? '')
      }
      const loads = endpoints.map(({ workload: { uid } }) => load.of(uid))
      return Math.max(...loads) - Math.min(...loads)
    }
    expect(spread(true)).toBeLessThanOrEqual(4)
    expect(spread(false)).toBeGreaterThan(8)
  })
})

describe('preferences', () => {
  const near = endpoint({ name: 'near' })
  const sameZone = endpoint({ name: 'same-zone', locality: { ...home, subzone: 's2' }, node: 'node-b' })
  const sameRegion = endpoint({ name: 'same-region', locality: { ...home, zone: 'z2', subzone: 's1' }, node: 'node-b' })
  const abroad = endpoint({ name: 'abroad', locality: { ...home, region: 'r2' }, node: 'node-b' })
  const otherNetwork = endpoint({ name: 'other-network', network: 'far', networkGateway: gateway('x/y') })
  const otherCluster = endpoint({ name: 'other-cluster', clusterId: 'c2' })
  it.each<[string, readonly string[], readonly string[]]>([
    ['are ignored in standard mode', pickable([near, abroad], balanced('Standard', 'Region')), ['abroad', 'near']],
    [
      'failover keeps those that match most leading scopes',
      pickable([sameZone, sameRegion, abroad], balanced('Failover', 'Region', 'Zone', 'Subzone')),
      ['same-zone'],
    ],
    [
      'failover goes on to the next rank when the better one is gone',
      pickable([sameRegion, abroad], balanced('Failover', 'Region', 'Zone', 'Subzone')),
      ['same-region'],
    ],
    [
      'a scope behind one that differs does not count',
      pickable([abroad, sameRegion], balanced('Failover', 'Region', 'Subzone')),
      ['same-region'],
    ],
    ['failover takes anyone rather than nobody', pickable([abroad], balanced('Failover', 'Region')), ['abroad']],
    ['strict keeps those that match every scope', pickable([near, sameZone], balanced('Strict', 'Node')), ['near']],
    ['strict takes nobody rather than anyone', pickable([sameZone], balanced('Strict', 'Node')), ['-']],
    ['the cluster is a scope', pickable([near, otherCluster], balanced('Failover', 'Cluster')), ['near']],
    ['the network is a scope', pickable([near, otherNetwork], balanced('Strict', 'Network')), ['near']],
    [
      'with the network first, one of the same network outranks a closer one of another',
      pickable([abroad, otherNetwork], balanced('Failover', 'Network', 'Region', 'Zone')),
      ['abroad'],
    ],
    [
      'with the network first, other networks are ranked by the scopes behind it',
      pickable(
        [
          otherNetwork,
          endpoint({
            name: 'farther',
            network: 'far',
            networkGateway: gateway('x/y'),
            locality: abroad.workload.locality,
          }),
        ],
        balanced('Failover', 'Network', 'Region', 'Zone'),
      ),
      ['other-network'],
    ],
    [
      'strict with the network first still wants every scope',
      pickable([sameRegion, near], balanced('Strict', 'Network', 'Zone')),
      ['near'],
    ],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected)
  })
})

describe('drawing by weight', () => {
  it('gives each item the share of its weight', () => {
    const weights = [1, 0, 3, 6]
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 1000; i++) {
      const drawn =
        drawWeighted(
          weights,
          (weight) => weight,
          () => i / 1000,
        ) ?? 1
      counts[drawn] = (counts[drawn] ?? 0) + 1
    }
    expect(counts).toEqual([100, 0, 300, 600])
  })

  it('never draws an item without weight, at any point, of any weights', () => {
    const weights = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 1 })), { maxLength: 20 })
    const points = fc.double({ min: 0, max: 1 - 2 ** -53, noNaN: true })
    fc.assert(
      fc.property(weights, points, (items, point) => {
        const drawn = drawWeighted(
          items,
          (weight) => weight,
          () => point,
        )
        if (items.every((weight) => weight === 0)) expect(drawn).toBeUndefined()
        else expect(items[drawn ?? -1]).toBeGreaterThan(0)
      }),
    )
  })
})

describe('the target port', () => {
  const tunnelled = (port: number): Pick<Workload, 'applicationTunnel'> => ({
    applicationTunnel: { protocol: 'PROXY', port },
  })
  it.each<[string, number | undefined, number | undefined]>([
    ['as the endpoint maps it', targetPortOf(endpoint({ name: 'a' }, { 80: 9000 }), service({ name: 'w' }), 80), 9000],
    ['as the service maps it', targetPortOf(endpoint({ name: 'a' }), service({ name: 'w' }), 80), 8080],
    ['not the endpoint’s 0', targetPortOf(endpoint({ name: 'a' }, { 80: 0 }), service({ name: 'w' }), 80), undefined],
    [
      'not the service’s 0',
      targetPortOf(endpoint({ name: 'a' }), service({ name: 'w', ports: { 80: 0 } }), 80),
      undefined,
    ],
    ['unknown', targetPortOf(endpoint({ name: 'a' }), service({ name: 'w' }), 81), undefined],
    [
      'as it is, before an application tunnel with a port',
      targetPortOf(endpoint({ name: 'a', ...tunnelled(1) }), service({ name: 'w' }), 81),
      81,
    ],
    [
      'unknown before an application tunnel without port',
      targetPortOf(endpoint({ name: 'a', ...tunnelled(0) }), service({ name: 'w' }), 81),
      undefined,
    ],
  ])('%s', (_, found, expected) => {
    expect(found).toBe(expected)
  })
})

describe('the address of a workload', () => {
  const both = workload({ name: 'a', addresses: ['10.0.2.1', '10.0.2.2', 'fd00::2'] })
  it.each<[string, string | undefined, string | undefined]>([
    ['the one the client used, if it is the workload’s', addressOf(both, undefined, ip('10.0.2.2')), '10.0.2.2'],
    ['the first of the client’s family', addressOf(both, undefined, ip('fd99::1')), 'fd00::2'],
    [
      'the first of the family that the service allows',
      addressOf(both, service({ name: 'w', ipFamilies: 'IPv4' }), ip('fd99::1')),
      '10.0.2.1',
    ],
    [
      'with both families allowed, the client’s',
      addressOf(both, service({ name: 'w', ipFamilies: 'Dual' }), ip('fd99::1')),
      'fd00::2',
    ],
    [
      'the other family when there is no other',
      addressOf(workload({ name: 'a', addresses: ['10.0.2.1'] }), undefined, ip('fd99::1')),
      '10.0.2.1',
    ],
    ['none', addressOf(workload({ name: 'a' }), undefined, ip('fd99::1')), undefined],
  ])('%s', (_, found, expected) => {
    expect(found).toBe(expected)
  })
})
