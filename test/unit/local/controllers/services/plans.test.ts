import { describe, expect, it } from 'vitest'
import { parseCidr } from '#shared/net'
import type { AdmissionRequest } from '../../../../../src/local/apiserver/index.ts'
import type { EndpointSlice, Pod, Service } from '../../../../../src/local/controllers/core/shapes.ts'
import { AddressPool, PortPool } from '../../../../../src/local/controllers/services/address-pool.ts'
import { endpointGroups, endpointSubsets } from '../../../../../src/local/controllers/services/endpoints-of-service.ts'
import { ServiceAddresses } from '../../../../../src/local/controllers/services/service-addresses.ts'
import { planSlices } from '../../../../../src/local/controllers/services/slice-plan.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../../support/memory-access.ts'

function service(spec: Partial<Service['spec']> = {}, name = 'web'): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', uid: name },
    spec: {
      selector: { app: 'web' },
      ports: [{ port: 80, targetPort: 'http' }],
      ipFamilies: ['IPv4', 'IPv6'],
      ...spec,
    },
  }
}

function pod(
  name: string,
  change: { port?: number; isReady?: boolean; isLeaving?: boolean; phase?: string; ips?: string[] } = {},
): Pod {
  const { port = 8080, isReady = true, isLeaving = false, phase = 'Running', ips = ['10.244.1.2', 'fd00::2'] } = change
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: { app: 'web' },
      ...(isLeaving ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { nodeName: 'node-a', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }] },
    status: {
      phase,
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  }
}

describe('endpoints of a service', () => {
  const shown = (svc: Service, pods: readonly Pod[]): readonly string[] =>
    endpointGroups(svc, pods).flatMap(({ addressType, ports, endpoints }) =>
      endpoints.map(
        ({ addresses, conditions: { ready, serving, terminating } }) =>
          `${addressType} ${addresses} ${ports.map(({ port }) => port)} ${[ready && 'ready', serving && 'serving', terminating && 'terminating'].filter(Boolean)}`,
      ),
    )

  it.each([
    {
      says: 'of both families',
      svc: service(),
      pods: [pod('a')],
      has: ['IPv4 10.244.1.2 8080 ready,serving', 'IPv6 fd00::2 8080 ready,serving'],
    },
    {
      says: 'of one family',
      svc: service({ ipFamilies: ['IPv6'] }),
      pods: [pod('a')],
      has: ['IPv6 fd00::2 8080 ready,serving'],
    },
    {
      says: 'that are not ready',
      svc: service({ ipFamilies: ['IPv4'] }),
      pods: [pod('a', { isReady: false })],
      has: ['IPv4 10.244.1.2 8080 '],
    },
    {
      says: 'that are not ready and published all the same',
      svc: service({ ipFamilies: ['IPv4'], publishNotReadyAddresses: true }),
      pods: [pod('a', { isReady: false })],
      has: ['IPv4 10.244.1.2 8080 ready'],
    },
    {
      says: 'that are leaving',
      svc: service({ ipFamilies: ['IPv4'] }),
      pods: [pod('a', { isLeaving: true })],
      has: ['IPv4 10.244.1.2 8080 serving,terminating'],
    },
    {
      says: 'whose named port differs',
      svc: service({ ipFamilies: ['IPv4'] }),
      pods: [pod('a'), pod('b', { port: 9090, ips: ['10.244.1.3'] })],
      has: ['IPv4 10.244.1.2 8080 ready,serving', 'IPv4 10.244.1.3 9090 ready,serving'],
    },
    { says: 'that have ended', svc: service(), pods: [pod('a', { phase: 'Succeeded' })], has: [] },
    { says: 'without address', svc: service(), pods: [pod('a', { ips: [] })], has: [] },
    { says: 'of a service without selector', svc: service({ selector: {} }), pods: [pod('a')], has: [] },
  ])('shows pods $says', ({ svc, pods, has }) => {
    expect(shown(svc, pods)).toEqual(has)
  })

  it('are subsets of the first family, ready and others apart', () => {
    const groups = endpointGroups(service(), [pod('a'), pod('b', { isReady: false, ips: ['10.244.1.3'] })])
    expect(endpointSubsets(groups)).toMatchObject([
      {
        addresses: [{ ip: '10.244.1.2' }],
        notReadyAddresses: [{ ip: '10.244.1.3' }],
        ports: [{ port: 8080, protocol: 'TCP' }],
      },
    ])
  })
})

describe('slices', () => {
  const pods = (count: number): Pod[] =>
    Array.from({ length: count }, (_, i) => pod(`p${i}`, { ips: [`10.244.${i >> 8}.${i & 255}`] }))
  const groupsOf = (all: readonly Pod[]): ReturnType<typeof endpointGroups> =>
    endpointGroups(service({ ipFamilies: ['IPv4'], ports: [{ port: 80, targetPort: 8080 }] }), all)
  const slicesOf = (all: readonly Pod[]): EndpointSlice[] =>
    planSlices(groupsOf(all), []).create.map((group, i) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `web-${i}`, namespace: 'shop' },
      ...group,
    }))

  it.each([
    { count: 0, sizes: [0] },
    { count: 100, sizes: [100] },
    { count: 250, sizes: [100, 100, 50] },
  ])('hold 100 endpoints each: $count become $sizes', ({ count, sizes }) => {
    expect(slicesOf(pods(count)).map(({ endpoints }) => endpoints.length)).toEqual(sizes)
  })

  it('stay untouched when nothing changed', () => {
    expect(planSlices(groupsOf(pods(250)), slicesOf(pods(250)))).toEqual({ create: [], update: [], delete: [] })
  })

  it('are written one at a time when one pod comes or goes', () => {
    const [, ...rest] = pods(250)
    const plan = planSlices(groupsOf(rest), slicesOf(pods(250)))
    expect(plan.update.map(({ slice }) => slice.metadata.name)).toEqual(['web-0'])
    expect([plan.create, plan.delete]).toEqual([[], []])
  })

  it('go when they are empty, but the last one', () => {
    const plan = planSlices(groupsOf([]), slicesOf(pods(150)))
    expect([plan.update.length, plan.delete.length, plan.create.length]).toEqual([1, 1, 0])
  })
})

describe('service addresses', () => {
  const clock = new FakeClock()
  const make = (ranges = ['10.96.0.0/24', 'fd00:10:96::/120']): ServiceAddresses =>
    new ServiceAddresses({
      clock,
      ranges: ranges.map((text) => parseCidr(text)!),
      nodePorts: { first: 30_000, last: 30_002 },
    })
  const admit = async (
    addresses: ServiceAddresses,
    object: Service,
    old?: Service,
    isDryRun = false,
  ): Promise<Service['spec'] | readonly string[]> => {
    const request = { object, old, context: { write: { isDryRun } } } as unknown as AdmissionRequest
    const outcome = await addresses.hook.admit(request)
    return outcome.kind === 'admitted' ? (outcome.object as Service).spec : outcome.problems.map(({ field }) => field)
  }

  it.each([
    {
      says: 'both families',
      spec: {},
      has: { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' },
      count: 2,
    },
    { says: 'one when asked', spec: { ipFamilyPolicy: 'SingleStack' }, has: { ipFamilies: ['IPv4'] }, count: 1 },
    { says: 'the named one', spec: { ipFamilies: ['IPv6'] }, has: { ipFamilyPolicy: 'SingleStack' }, count: 1 },
    { says: 'none when headless', spec: { clusterIP: 'None' }, has: { clusterIPs: ['None'] }, count: 1 },
  ])('give $says', async ({ spec, has, count }) => {
    const { ipFamilies: _, ...bare } = service().spec
    const given = (await admit(make(), {
      ...service(),
      spec: { ...bare, ...spec } as Service['spec'],
    })) as Service['spec']
    expect(given).toMatchObject(has)
    expect(given.clusterIPs).toHaveLength(count)
    expect(given.clusterIP).toBe(given.clusterIPs?.[0])
  })

  it.each([
    { says: 'outside the range', spec: { clusterIP: '10.97.0.1' }, fields: ['spec.clusterIPs[0]'] },
    {
      says: 'a port outside the range',
      spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] },
      fields: ['spec.ports[0].nodePort'],
    },
  ])('refuse $says', async ({ spec, fields }) => {
    expect(await admit(make(), service(spec as Partial<Service['spec']>))).toEqual(fields)
  })

  it('run out loudly, and go on when something is released', async () => {
    const access = new MemoryAccess(clock)
    const addresses = make()
    addresses.follow(access)
    for (const name of ['a', 'b', 'c']) {
      const spec = (await admit(addresses, service({ type: 'NodePort' }, name))) as Service['spec']
      await access.create({ ...service({}, name), spec })
    }
    expect(await admit(addresses, service({ type: 'NodePort' }, 'd'))).toEqual(['spec.ports[0].nodePort'])
    await access.delete({ group: '', resource: 'services', namespace: 'shop', name: 'b' })
    await clock.advance(0)
    expect(await admit(addresses, service({ type: 'NodePort' }, 'd'))).toMatchObject({ type: 'NodePort' })
  })

  it('forget what was given for a write that never came, or was only tried', async () => {
    const addresses = make()
    const first = (await admit(addresses, service({ clusterIP: '10.96.0.9' }, 'a'), undefined, true)) as Service['spec']
    expect(first.clusterIP).toBe('10.96.0.9')
    expect(await admit(addresses, service({ clusterIP: '10.96.0.9' }, 'b'))).toMatchObject({ clusterIP: '10.96.0.9' })
    expect(await admit(addresses, service({ clusterIP: '10.96.0.9' }, 'c'))).toEqual(['spec.clusterIPs[0]'])
    await clock.advance(31_000)
    expect(await admit(addresses, service({ clusterIP: '10.96.0.9' }, 'c'))).toMatchObject({ clusterIP: '10.96.0.9' })
  })

  it('keep addresses and ports over an update that does not name them', async () => {
    const addresses = make()
    const old = service({}, 'a')
    const spec = (await admit(addresses, { ...old, spec: { ...old.spec, type: 'NodePort' } })) as Service['spec']
    const again = await admit(addresses, { ...old, spec: { ...old.spec, type: 'NodePort' } }, { ...old, spec })
    expect(again).toEqual(spec)
  })

  it('take written addresses from the low part of a range, and free ones from above', () => {
    const pool = new AddressPool(parseCidr('10.96.0.0/16')!)
    expect([pool.take('a'), pool.take('b')]).toEqual(['10.96.1.1', '10.96.1.2'])
  })

  it('give every number once, and none twice', () => {
    const pool = new PortPool(30_000, 30_199)
    const given = Array.from({ length: 200 }, (_, i) => pool.take(`s${i}`))
    expect(new Set(given).size).toBe(200)
    expect(pool.take('more')).toBeUndefined()
    pool.release(30_050, 's-other')
    expect(pool.take('more')).toBeUndefined()
  })
})
