import { describe, expect, it } from 'vitest'
import { MeshState } from '#shared/mesh-state'
import type { Workload } from '#shared/model'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import {
  addressUpdate,
  ip,
  meshOf,
  policy,
  policyUpdate,
  type ServiceInput,
  service,
  workload,
} from '../../../support/mesh-builder.ts'

const WEB = 'default/web.default.svc.cluster.local'
const web = service({ name: 'web', vips: ['10.9.0.1'] })

function endpointNames(mesh: MeshState, key: string = WEB): readonly string[] {
  return mesh.endpoints(key).map((endpoint) => endpoint.workload.name)
}

describe('workloads', () => {
  it('are found by uid, address and host name, and no more once they went', () => {
    const one = workload({ name: 'a', addresses: ['10.0.0.1', 'fd00::1'], hostname: 'a.example' })
    const mesh = meshOf([one])
    const found = (): readonly unknown[] => [
      mesh.workloadByUid(one.uid),
      mesh.workloadByIp('', ip('10.0.0.1')),
      mesh.workloadByIp('', ip('fd00:0:0::1')),
      mesh.workloadByHostname('default', 'a.example'),
      mesh.localWorkload(one),
    ]
    expect(found()).toEqual([one, one, one, one, one])
    expect(mesh.workloadByIp('other', ip('10.0.0.1'))).toBeUndefined()
    mesh.applyAddresses(addressUpdate([], [one.uid]))
    expect(found()).toEqual([undefined, undefined, undefined, undefined, undefined])
    expect([...mesh.workloads()]).toEqual([])
  })

  it('lose what an update no longer says', () => {
    const one = workload({ name: 'a', addresses: ['10.0.0.1'], services: { [WEB]: {} } })
    const moved = workload({ name: 'a', addresses: ['10.0.0.2'] })
    const mesh = meshOf([one, web])
    mesh.applyAddresses(addressUpdate([moved]))
    expect(mesh.workloadByIp('', ip('10.0.0.1'))).toBeUndefined()
    expect(mesh.workloadByIp('', ip('10.0.0.2'))).toBe(moved)
    expect(endpointNames(mesh)).toEqual([])
  })

  it.each<[string, readonly Workload[], string]>([
    [
      'an HBONE pod before a plain pod that came later',
      [workload({ name: 'hbone' }), workload({ name: 'plain', protocol: 'TCP' })],
      'hbone',
    ],
    [
      'a plain pod before an HBONE workload that is no pod',
      [workload({ name: 'plain', protocol: 'TCP' }), workload({ name: 'entry', uid: 'c//WorkloadEntry/d/e' })],
      'plain',
    ],
    [
      'HBONE before plain among those that are no pods',
      [workload({ name: 'hbone', uid: 'x' }), workload({ name: 'plain', uid: 'y', protocol: 'TCP' })],
      'hbone',
    ],
    ['the newest among equals', [workload({ name: 'old' }), workload({ name: 'new' })], 'new'],
  ])('that share an address: %s', (_, sharing, expected) => {
    const mesh = meshOf(sharing.map((one) => ({ ...one, addresses: [ip('10.0.0.1')] })))
    expect(mesh.workloadByIp('', ip('10.0.0.1'))?.name).toBe(expected)
  })

  it('on the host’s network are not found by address', () => {
    const mesh = meshOf([workload({ name: 'a', addresses: ['10.0.0.1'], networkMode: 'HostNetwork' })])
    expect(mesh.workloadByIp('', ip('10.0.0.1'))).toBeUndefined()
  })

  it('of other nodes are no local ones; without a node name all are', () => {
    const far = workload({ name: 'a', node: 'node-b' })
    expect(meshOf([far]).localWorkload(far)).toBeUndefined()
    const everywhere = new MeshState({ clock: new FakeClock(), nodeName: undefined })
    everywhere.applyAddresses(addressUpdate([far]))
    expect(everywhere.localWorkload(far)).toBe(far)
  })

  it('are local by name, namespace and service account together', () => {
    const one = workload({ name: 'a' })
    const mesh = meshOf([one])
    expect(mesh.localWorkload({ name: 'a', namespace: 'default', serviceAccount: 'other' })).toBeUndefined()
    expect(mesh.localWorkload({ name: 'a', namespace: 'other', serviceAccount: 'default' })).toBeUndefined()
  })
})

describe('waiting for a pod’s workload', () => {
  const wanted = workload({ name: 'late' })

  it('ends when it arrives', async () => {
    const mesh = meshOf([])
    const waiting = [mesh.waitForLocalWorkload(wanted, 5_000), mesh.waitForLocalWorkload(wanted, 5_000)]
    mesh.applyAddresses(addressUpdate([workload({ name: 'other' })]))
    mesh.applyAddresses(addressUpdate([wanted]))
    expect(await Promise.all(waiting)).toEqual([wanted, wanted])
  })

  it('ends at once when it is there', async () => {
    expect(await meshOf([wanted]).waitForLocalWorkload(wanted, 5_000)).toBe(wanted)
  })

  it('ends with nothing when the time is over, and leaves no timer', async () => {
    const clock = new FakeClock()
    const mesh = meshOf([], [], clock)
    let answer: unknown = 'waiting'
    void mesh.waitForLocalWorkload(wanted, 5_000).then((found) => {
      answer = found
    })
    await clock.advance(4_999)
    expect(answer).toBe('waiting')
    await clock.advance(1)
    expect(answer).toBeUndefined()
    mesh.applyAddresses(addressUpdate([wanted]))
    await settle()
    expect(clock.pendingTimers).toBe(0)
  })

  it('is not for those of another node', async () => {
    const clock = new FakeClock()
    const mesh = meshOf([], [], clock)
    const waiting = mesh.waitForLocalWorkload(wanted, 100)
    mesh.applyAddresses(addressUpdate([{ ...wanted, node: 'node-b' }]))
    await clock.advance(100)
    expect(await waiting).toBeUndefined()
  })

  it('is refused at once beyond 10,000 waiters', async () => {
    const clock = new FakeClock()
    const mesh = meshOf([], [], clock)
    for (let i = 0; i < 10_000; i++) void mesh.waitForLocalWorkload(wanted, 5_000)
    expect(await mesh.waitForLocalWorkload(wanted, 5_000)).toBeUndefined()
    expect(clock.pendingTimers).toBe(10_000)
  })
})

describe('services by address', () => {
  const named = (name: string, input: Partial<ServiceInput> = {}): ReturnType<typeof service> =>
    service({ name, vips: ['10.9.0.1'], hostname: 'shared.example', ...input })
  const best = (services: readonly ReturnType<typeof service>[], from = 'client'): string | undefined =>
    meshOf(services).serviceByVip('', ip('10.9.0.1'), from)?.name

  it.each<[string, readonly ReturnType<typeof service>[], string | undefined]>([
    ['the oldest', [named('a', { namespace: 'x' }), named('b', { namespace: 'y' })], 'a'],
    [
      'a canonical one before older ones',
      [named('a', { namespace: 'x' }), named('b', { namespace: 'y', canonical: true })],
      'b',
    ],
    [
      'the newest canonical one',
      [named('a', { namespace: 'x', canonical: true }), named('b', { namespace: 'y', canonical: true })],
      'b',
    ],
    [
      'one of the client’s namespace before a canonical one',
      [named('a', { namespace: 'client' }), named('b', { namespace: 'y', canonical: true })],
      'a',
    ],
    [
      'the newest of the client’s namespace',
      [named('a', { namespace: 'client' }), named('b', { namespace: 'client', hostname: 'b.example' })],
      'b',
    ],
    [
      'none that the client may not see',
      [named('a', { namespace: 'x', visibility: 'Namespace' }), named('b', { namespace: 'y' })],
      'b',
    ],
    [
      'the newest of one namespace, in the place of its oldest',
      [
        named('a', { namespace: 'x' }),
        named('b', { namespace: 'y' }),
        named('c', { namespace: 'x', hostname: 'c.example' }),
      ],
      'c',
    ],
    ['its own hidden one', [named('a', { namespace: 'client', visibility: 'Namespace' })], 'a'],
    ['nothing when all are hidden', [named('a', { namespace: 'x', visibility: 'Namespace' })], undefined],
  ])('of several on one address: %s', (_, services, expected) => {
    expect(best(services)).toBe(expected)
  })

  it.each<[string, readonly ReturnType<typeof service>[], string | undefined]>([
    [
      'an exact address before any network',
      [named('exact'), service({ name: 'net', namespace: 'client', cidrVips: ['/10.9.0.0/24'] })],
      'exact',
    ],
    [
      'a network when the exact one is hidden',
      [
        named('exact', { namespace: 'x', visibility: 'Namespace' }),
        service({ name: 'net', cidrVips: ['/10.9.0.0/24'] }),
      ],
      'net',
    ],
    [
      'the longer prefix',
      [service({ name: 'wide', cidrVips: ['/10.0.0.0/8'] }), service({ name: 'narrow', cidrVips: ['/10.9.0.0/24'] })],
      'narrow',
    ],
    [
      'a wider network of the client’s namespace before a narrower one of another',
      [
        service({ name: 'wide', namespace: 'client', cidrVips: ['/10.0.0.0/8'] }),
        service({ name: 'narrow', cidrVips: ['/10.9.0.0/24'], canonical: true }),
      ],
      'wide',
    ],
    [
      'the canonical one of equal networks',
      [
        service({ name: 'a', cidrVips: ['/10.9.0.0/24'] }),
        service({ name: 'b', cidrVips: ['/10.9.0.0/24'], canonical: true }),
      ],
      'b',
    ],
    ['no network of the other family', [service({ name: 'six', cidrVips: ['/::/0'] })], undefined],
    ['no network elsewhere', [service({ name: 'far', cidrVips: ['far/10.9.0.0/24'] })], undefined],
    ['no hidden network', [service({ name: 'h', visibility: 'Namespace', cidrVips: ['/10.9.0.0/24'] })], undefined],
  ])('by network: %s', (_, services, expected) => {
    expect(best(services)).toBe(expected)
  })

  it('are gone by every name once removed or moved', () => {
    const mesh = meshOf([web, service({ name: 'net', cidrVips: ['/10.8.0.0/24'] })])
    mesh.applyAddresses(addressUpdate([{ ...web, vips: [] }], ['default/net.default.svc.cluster.local']))
    expect(mesh.serviceByVip('', ip('10.9.0.1'), 'default')).toBeUndefined()
    expect(mesh.serviceByVip('', ip('10.8.0.1'), 'default')).toBeUndefined()
    mesh.applyAddresses(addressUpdate([], [WEB]))
    expect(mesh.serviceByKey(WEB)).toBeUndefined()
    expect(mesh.serviceByHostname(web.hostname, 'default')).toBeUndefined()
    expect([...mesh.services()]).toEqual([])
  })

  it('by host name follow the same preference', () => {
    const mesh = meshOf([named('a', { namespace: 'x' }), named('b', { namespace: 'client' })])
    expect(mesh.serviceByHostname('shared.example', 'client')?.name).toBe('b')
    expect(mesh.serviceByHostname('shared.example', 'other')?.name).toBe('a')
  })
})

describe('endpoints', () => {
  const pod = workload({ name: 'a', services: { [WEB]: { 80: 9000 } } })
  const sick = workload({ name: 'sick', services: { [WEB]: {} }, status: 'Unhealthy' })
  const taking = (healthPolicy: 'OnlyHealthy' | 'AllowAll'): typeof web => ({
    ...web,
    loadBalancer: { mode: 'Standard', routingPreferences: [], healthPolicy },
  })

  it('wait for a service that comes later than its workloads', () => {
    const mesh = meshOf([pod])
    expect(endpointNames(mesh)).toEqual([])
    expect([...mesh.stagedEndpoints()].map(([key, staged]) => [key, staged.length])).toEqual([[WEB, 1]])
    mesh.applyAddresses(addressUpdate([web]))
    expect(mesh.endpoints(WEB)).toEqual([{ workload: pod, ports: new Map([[80, 9000]]) }])
    expect([...mesh.stagedEndpoints()]).toEqual([])
  })

  it('outlive an update of their service, and its going and coming back', () => {
    const mesh = meshOf([web, pod])
    mesh.applyAddresses(addressUpdate([{ ...web, canonical: true }]))
    expect(endpointNames(mesh)).toEqual(['a'])
    mesh.applyAddresses(addressUpdate([], [WEB]))
    expect(endpointNames(mesh)).toEqual([])
    mesh.applyAddresses(addressUpdate([web]))
    expect(endpointNames(mesh)).toEqual(['a'])
  })

  it('are those that the newest health policy lets through', () => {
    const mesh = meshOf([web, pod, sick])
    expect(endpointNames(mesh)).toEqual(['a'])
    mesh.applyAddresses(addressUpdate([taking('AllowAll')]))
    expect(endpointNames(mesh)).toEqual(['a', 'sick'])
    mesh.applyAddresses(addressUpdate([taking('OnlyHealthy')]))
    expect(endpointNames(mesh)).toEqual(['a'])
  })

  it('follow the health and the removal of their workload', () => {
    const mesh = meshOf([web, pod, sick])
    mesh.applyAddresses(addressUpdate([{ ...sick, status: 'Healthy' }]))
    expect(endpointNames(mesh)).toEqual(['a', 'sick'])
    mesh.applyAddresses(addressUpdate([], [pod.uid]))
    expect(endpointNames(mesh)).toEqual(['sick'])
  })
})

describe('one response', () => {
  it('applies changes before removals, so that a name in both is gone', () => {
    const mesh = meshOf([])
    mesh.applyAddresses(addressUpdate([web], [WEB]))
    expect(mesh.serviceByKey(WEB)).toBeUndefined()
  })

  it('is taken without the resources that cannot be used, which are named', () => {
    const mesh = meshOf([])
    const nameless = { ...web, hostname: '' }
    const rejections = mesh.applyAddresses(addressUpdate([workload({ name: 'x', uid: '' }), nameless, web]))
    expect(rejections).toEqual([
      { name: '', reason: 'workload without uid' },
      { name: 'default/', reason: 'service without namespace or hostname: "default/"' },
    ])
    expect(mesh.serviceByKey(WEB)).toBe(web)
  })

  it('passes over the removal of names that nobody knows', () => {
    const mesh = meshOf([web])
    expect(mesh.applyAddresses(addressUpdate([], ['nobody', 'a/b', 'c//Pod/d/e']))).toEqual([])
    expect(mesh.serviceByKey(WEB)).toBe(web)
  })

  it('is told once, with every workload that came, changed or went, after all of it is applied', () => {
    const mesh = meshOf([workload({ name: 'a' }), workload({ name: 'b' })])
    const told: [readonly string[], string | undefined][] = []
    const stop = mesh.onWorkloadsChanged((uids) => {
      told.push([[...uids].sort(), mesh.workloadByUid('c')?.name])
    })
    const update = addressUpdate(
      [workload({ name: 'a', node: 'node-b' }), workload({ name: 'c', uid: 'c' }), web],
      ['Kubernetes//Pod/default/b'],
    )
    mesh.applyAddresses(update)
    mesh.applyAddresses(addressUpdate([web]))
    stop()
    mesh.applyAddresses(addressUpdate([], ['c']))
    expect(told).toEqual([[['Kubernetes//Pod/default/a', 'Kubernetes//Pod/default/b', 'c'], 'c']])
  })
})

describe('policies of a workload', () => {
  const pod = workload({ name: 'a', authorizationPolicies: ['default/named', 'default/unknown', 'root/strict'] })
  const keysFor = (
    mesh: MeshState,
    one: Workload = pod,
  ): { policies: readonly string[]; missing: readonly string[] } => {
    const { sets, missing } = mesh.policiesOf(one)
    return { policies: sets.flatMap((set) => [...set.policies()].map(({ key }) => key)).sort(), missing }
  }

  it('are the mesh-wide ones, those of its namespace, and those that it names', () => {
    const mesh = meshOf(
      [pod],
      [
        policy({ name: 'everywhere', namespace: 'elsewhere', scope: 'Global' }),
        policy({ name: 'here' }),
        policy({ name: 'there', namespace: 'other' }),
        policy({ name: 'named', scope: 'WorkloadSelector' }),
        policy({ name: 'selects-others', scope: 'WorkloadSelector' }),
        policy({ name: 'strict', namespace: 'root', scope: 'WorkloadSelector' }),
      ],
    )
    expect(keysFor(mesh)).toEqual({
      policies: ['default/here', 'default/named', 'elsewhere/everywhere', 'root/strict'],
      missing: ['default/unknown'],
    })
  })

  it('follow additions, moves and removals', () => {
    const mesh = meshOf([pod], [policy({ name: 'here' })])
    expect(keysFor(mesh).policies).toEqual(['default/here'])
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'named', scope: 'WorkloadSelector' })]))
    expect(keysFor(mesh)).toEqual({
      policies: ['default/here', 'default/named'],
      missing: ['default/unknown', 'root/strict'],
    })
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'here', scope: 'WorkloadSelector' })], ['default/named']))
    expect(keysFor(mesh).policies).toEqual([])
    expect([...mesh.policies()].map(([key]) => key)).toEqual(['default/here'])
  })

  it('are told of after each response that changed one, and not otherwise', () => {
    const mesh = meshOf([])
    let told = 0
    mesh.onPoliciesChanged(() => told++)
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'here' })]))
    mesh.applyAuthorizations(policyUpdate([]))
    mesh.applyAuthorizations(policyUpdate([], ['default/nobody']))
    mesh.applyAuthorizations(policyUpdate([], ['default/here']))
    expect(told).toBe(2)
  })
})
