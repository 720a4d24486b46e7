import { describe, expect, it } from 'vitest'
import { type Cluster, DEFAULT_TRAFFIC_POLICY, type PolicyTarget, type RequestPolicy, type Routes } from '#shared/l7'
import type { Service, Workload } from '#shared/model'
import {
  addressType,
  clusterType,
  type ResourceType,
  requestPolicyType,
  routesType,
  type Subscription,
  telemetryType,
  workloadLabelsType,
} from '#shared/xds'
import { type Destination, WaypointState } from '../../../../src/waypoint/state/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { addressUpdate, gateway, ip, service, workload } from '../../../support/mesh-builder.ts'

const OURS = gateway('shop/wp.shop.svc.cluster.local')
const THEIRS = gateway('shop/other.shop.svc.cluster.local')
const cart = service({ name: 'cart', namespace: 'shop', vips: ['10.96.0.7'], waypoint: OURS })

class Fed {
  readonly state = new WaypointState({
    clock: new FakeClock(),
    waypoint: { namespace: 'shop', name: 'wp' },
    network: '',
  })
  readonly #subscriptions: readonly Subscription<never>[] = this.state.subscriptions()

  mesh(...changed: (Workload | Service)[]): this {
    return this.#apply(addressType, addressUpdate(changed))
  }

  gone(name: string): this {
    return this.#apply(addressType, addressUpdate([], [name]))
  }

  put<T>(type: ResourceType<T>, resources: Readonly<Record<string, T>>, removed: readonly string[] = []): this {
    const changed = Object.entries(resources).map(([name, resource]) => ({ name, version: '', resource }))
    return this.#apply(type, { changed, removed })
  }

  #apply<T>(type: ResourceType<T>, update: Parameters<Subscription<T>['apply']>[0]): this {
    const found = this.#subscriptions.find((one) => one.type.typeUrl === type.typeUrl) as unknown as Subscription<T>
    expect(found.apply(update)).toEqual([])
    return this
  }
}

function routes(port: number): Routes {
  return { namespace: 'shop', hostname: cart.hostname, port, http: [], tcp: undefined }
}

function policy(name: string, ...targets: PolicyTarget[]): RequestPolicy {
  return { namespace: 'shop', name, targets, action: 'deny', dryRun: false, rules: [] }
}

function target(one: Service): PolicyTarget {
  return { kind: 'service', namespace: one.namespace, hostname: one.hostname }
}

const to = (one: Service): Destination => ({ kind: 'service', service: one, port: 80, appProtocol: undefined })

describe('what a waypoint serves', () => {
  it.each<[string, Partial<Service>, boolean]>([
    ['a service that names it', {}, true],
    ['a service that names another', { waypoint: THEIRS }, false],
    ['a service that names none', { waypoint: undefined }, false],
    [
      'a service of which it has a share',
      { waypoint: THEIRS, weightedWaypoints: [{ destination: OURS, weight: 1 }] },
      true,
    ],
    ['a service that names its address', { waypoint: gateway('/10.96.0.99') }, true],
    ['a service that names another address', { waypoint: gateway('/10.96.0.98') }, false],
    ['a service of another namespace', { namespace: 'elsewhere', hostname: 'cart.elsewhere' }, true],
    [
      'a service that names a waypoint whose name begins alike',
      { waypoint: gateway('shop/wp-two.shop.svc.cluster.local') },
      false,
    ],
  ])('%s: by address and by host name', (_, changes, isServed) => {
    const one: Service = { ...cart, ...changes }
    const wp = service({ name: 'wp', namespace: 'shop', vips: ['10.96.0.99'] })
    const other = service({ name: 'other', namespace: 'shop', vips: ['10.96.0.98'] })
    const { state } = new Fed().mesh(one, wp, other)
    const expected = isServed ? { kind: 'service', service: one, port: 80, appProtocol: undefined } : undefined
    expect(state.destination({ ip: ip('10.96.0.7') }, 80)).toEqual(expected)
    expect(state.destination({ hostname: one.hostname }, 80)).toEqual(expected)
  })

  it('has the protocol that a port declares, and no port that the service has not', () => {
    const one: Service = { ...cart, ports: [{ servicePort: 80, targetPort: 8080, appProtocol: 'GRPC' }] }
    const { state } = new Fed().mesh(one)
    expect(state.destination({ ip: ip('10.96.0.7') }, 80)).toMatchObject({ appProtocol: 'GRPC' })
    expect(state.destination({ ip: ip('10.96.0.7') }, 81)).toBeUndefined()
  })

  it('has workloads that name it, on every port', () => {
    const mine = workload({ name: 'a', namespace: 'shop', addresses: ['10.0.0.1'], waypoint: OURS })
    const other = workload({ name: 'b', namespace: 'shop', addresses: ['10.0.0.2'] })
    const { state } = new Fed().mesh(mine, other)
    expect(state.destination({ ip: ip('10.0.0.1') }, 9999)).toEqual({ kind: 'workload', workload: mine, port: 9999 })
    expect(state.destination({ ip: ip('10.0.0.2') }, 80)).toBeUndefined()
    expect(state.destination({ ip: ip('10.0.0.3') }, 80)).toBeUndefined()
  })
})

describe('what a waypoint is told', () => {
  it('has routes by service and port, until they are withdrawn', () => {
    const fed = new Fed()
    const [first, second] = [routes(80), routes(81)]
    fed.put(routesType, { first, second })
    expect(fed.state.routes(cart, 80)).toBe(first)
    expect(fed.state.routes(cart, 81)).toBe(second)
    fed.put(routesType, { second: routes(82) }, ['first'])
    expect([80, 81].map((port) => fed.state.routes(cart, port))).toEqual([undefined, undefined])
    expect(fed.state.routes(cart, 82)).toBeDefined()
  })

  it('has clusters by subset, and defaults for the rest', () => {
    const fed = new Fed()
    const policyOfV2 = { ...DEFAULT_TRAFFIC_POLICY, balancing: { kind: 'random' } } as const
    const backend = { kind: 'cluster', namespace: 'shop', hostname: cart.hostname, port: 80, subset: 'v2' } as const
    const cluster: Cluster = { ...backend, labels: { version: 'v2' }, policy: policyOfV2 }
    fed.put(clusterType, { x: cluster })
    expect(fed.state.cluster(backend)).toBe(cluster)
    expect(fed.state.trafficPolicy(backend)).toBe(policyOfV2)
    expect(fed.state.trafficPolicy({ ...backend, subset: '' })).toBe(DEFAULT_TRAFFIC_POLICY)
  })

  it('has labels and telemetry by their names', () => {
    const fed = new Fed().put(workloadLabelsType, { u: { uid: 'u', labels: { version: 'v1' } } })
    expect(fed.state.labelsOf('u')).toEqual({ version: 'v1' })
    expect(fed.state.labelsOf('other')).toEqual({})
    expect(fed.state.telemetry(cart)).toBeUndefined()
    const telemetry = {
      namespace: 'shop',
      hostname: cart.hostname,
      accessLog: { isDisabled: true, providers: [], filter: '' },
      tracing: { isDisabled: true, providers: [], samplingPercent: undefined, tags: [] },
      metrics: [],
    }
    fed.put(telemetryType, { t: telemetry })
    expect(fed.state.telemetry(cart)).toBe(telemetry)
  })

  it('lists the policies of a service by name, those for the whole waypoint among them', () => {
    const shop = service({ name: 'shop', namespace: 'shop' })
    const [all, ofCart, ofShop] = [
      policy('m', { kind: 'waypoint' }),
      policy('z', target(cart)),
      policy('a', target(shop)),
    ]
    const { state } = new Fed().put(requestPolicyType, { 1: ofCart, 2: all, 3: ofShop })
    expect(state.requestPolicies(to(cart))).toEqual([all, ofCart])
    expect(state.requestPolicies(to(shop))).toEqual([ofShop, all])
    expect(state.requestPolicies({ kind: 'workload', workload: workload({ name: 'a' }), port: 80 })).toEqual([all])
  })

  it('keeps a list as the same object until something in it changes', () => {
    const shop = service({ name: 'shop', namespace: 'shop' })
    const fed = new Fed().put(requestPolicyType, { cart: policy('c', target(cart)), shop: policy('s', target(shop)) })
    const before = fed.state.requestPolicies(to(cart))
    expect(fed.state.requestPolicies(to(cart))).toBe(before)
    fed.put(requestPolicyType, { shop: policy('s', target(shop)) })
    expect(fed.state.requestPolicies(to(cart))).toBe(before)
    fed.put(requestPolicyType, { cart: policy('c', target(cart)) })
    const after = fed.state.requestPolicies(to(cart))
    expect(after).not.toBe(before)
    expect(after).toEqual(before)
    fed.put(requestPolicyType, {}, ['cart'])
    expect(fed.state.requestPolicies(to(cart))).toEqual([])
  })

  it('tells of endpoints that may have changed, and of nothing else', () => {
    const fed = new Fed()
    let told = 0
    const stop = fed.state.onEndpointsChanged(() => told++)
    fed.mesh(cart, workload({ name: 'a' }))
    fed.put(workloadLabelsType, { u: { uid: 'u', labels: {} } })
    fed.put(clusterType, {
      c: { namespace: 'shop', hostname: 'h', port: 80, subset: '', labels: {}, policy: DEFAULT_TRAFFIC_POLICY },
    })
    expect(told).toBe(3)
    fed.put(routesType, { r: routes(80) })
    fed.put(clusterType, {}, ['nobody'])
    expect(told).toBe(3)
    fed.gone('shop/cart.shop.svc.cluster.local')
    expect(told).toBe(4)
    stop()
    fed.mesh(cart)
    expect(told).toBe(4)
  })
})
