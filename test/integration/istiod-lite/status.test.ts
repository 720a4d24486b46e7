import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { IstiodCluster, POLICIES, policyOfMethods } from '../../support/istiod-cluster.ts'
import { type RunningIstiod, spawnIstiod } from '../../support/istiod-process.ts'
import type { Json } from '../../support/kube-client.ts'

let cluster: IstiodCluster
let place: IstiodPlace
let processes: RunningIstiod[]
beforeEach(async () => {
  cluster = await IstiodCluster.start()
  place = await IstiodPlace.make()
  processes = []
})
afterEach(async () => {
  for (const { process } of processes) process.kill('SIGKILL')
  await place.end()
  await cluster.close()
})

const env = (user = 'istiod', more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({
  AMBIT_KUBE_DIR: '',
  AMBIT_ADMISSION: 'off',
  KUBECONFIG: cluster.kubeconfigOf(user),
  ...more,
})
const start = async (): Promise<Istiod> => {
  const istiod = await place.start(env())
  await istiod.serving
  return istiod
}
const conditionsOf = async (name: string): Promise<Json[]> =>
  (await cluster.get(`${POLICIES}/${name}`)).status?.conditions ?? []
const reasonsOf = async (name: string): Promise<string[]> =>
  (await conditionsOf(name)).map(({ type, status, reason }) => `${type}=${status} ${reason}`)
const DENIES_MORE = ['ZtunnelAccepted=True UnsupportedValue', 'ambit.dev/AppliedAsWritten=False DeniesMore']

describe('the status of a policy', () => {
  it('says what is not enforced as it is written, with an event, and is cleared when all is well', async () => {
    await start()
    await cluster.create(POLICIES, policyOfMethods('p'))
    await expect.poll(() => reasonsOf('p')).toEqual(DENIES_MORE)
    const [accepted, ours] = await conditionsOf('p')
    expect(ours).toMatchObject({ observedGeneration: 1, lastTransitionTime: expect.stringMatching(/^20.*Z$/) })
    const events = async (): Promise<Json[]> => (await cluster.get('/api/v1/namespaces/shop/events')).items
    await expect.poll(async () => (await events()).length).toBe(1)
    expect((await events())[0]).toMatchObject({
      type: 'Warning',
      reason: 'DeniesMore',
      count: 1,
      message: expect.stringContaining('ztunnel cannot see methods: more is denied by rule 0'),
      involvedObject: { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'p' },
      source: { component: 'istiod-lite' },
    })

    await cluster.patch(`${POLICIES}/p`, { spec: { rules: [{ to: [{ operation: { ports: ['80'] } }] }] } })
    await expect.poll(() => reasonsOf('p')).toEqual(['ZtunnelAccepted=True Accepted'])
    const [again] = await conditionsOf('p')
    // The status of it is the same as before; only the reason is another.
    expect(again).toMatchObject({ observedGeneration: 2, lastTransitionTime: accepted.lastTransitionTime })
  })

  it('keeps what others say in it, and only its own types change', async () => {
    await cluster.create(POLICIES, policyOfMethods('p'))
    const theirs = { type: 'example.com/Reviewed', status: 'True', reason: 'Done', message: 'by hand' }
    const stale = { type: 'WaypointAccepted', status: 'True', reason: 'Accepted', message: 'bound to shop/gone' }
    await cluster.patch(`${POLICIES}/p/status`, { status: { conditions: [stale, theirs], note: 'kept' } })
    await start()
    await expect.poll(() => reasonsOf('p')).toEqual(['example.com/Reviewed=True Done', ...DENIES_MORE])
    const { status } = await cluster.get(`${POLICIES}/p`)
    expect([status.conditions[0], status.note]).toEqual([theirs, 'kept'])
  })

  it('is written once, and starts no round of derivations', async () => {
    const istiod = await start()
    await cluster.create(POLICIES, policyOfMethods('p'))
    await expect.poll(() => reasonsOf('p')).toEqual(DENIES_MORE)
    const runs = async (): Promise<unknown> => {
      const answer = await fetch(`http://127.0.0.1:${istiod.ports.monitoring}/debug/krtz`)
      return ((await answer.json()) as { name: string; runs: number }[]).map(({ name, runs }) => `${name} ${runs}`)
    }
    const before = await runs()
    // By then a change would have come back and been derived from: another object's has.
    await cluster.patch(`${POLICIES}/p/status`, { status: { note: 'somebody else writes' } })
    const spec = { ports: [{ port: 80 }] }
    await cluster.create('/api/v1/namespaces/shop/services', { metadata: { name: 'later' }, spec })
    await expect.poll(runs).not.toEqual(before)
    const policies = (all: unknown): unknown => (all as string[]).filter((line) => line.includes('polic'))
    expect(policies(await runs())).toEqual(policies(before))
    expect(cluster.writes.filter(({ what }) => what === 'authorizationpolicies/status shop/p')).toHaveLength(2)
  })

  it('takes back what nobody says any more when a control plane comes up', async () => {
    const service = '/api/v1/namespaces/shop/services'
    await cluster.create(service, { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } })
    const condition = {
      type: 'istio.io/WaypointBound',
      status: 'True',
      reason: 'WaypointAccepted',
      message: 'of an earlier life',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    await cluster.patch(`${service}/web/status`, { status: { conditions: [condition] } })
    await start()
    await expect.poll(async () => (await cluster.get(`${service}/web`)).status?.conditions ?? []).toEqual([])
  })

  it('waits for the right to write without holding up anybody who is served', async () => {
    const istiod = await start()
    let isRefusing = true
    cluster.api.server.addAdmission({
      name: 'no status',
      handles: ({ context }) => isRefusing && context.subresource === 'status',
      admit: async () => ({ kind: 'refused', message: 'not now', problems: [] }),
    })
    const mirror = await place.connect(istiod)
    await cluster.create(POLICIES, policyOfMethods('p'))
    await mirror.until(() => mirror.policies.has('shop/p'))
    await expect.poll(() => place.lines.join('\n')).toContain('status cannot be written and is tried again')
    expect(await conditionsOf('p')).toEqual([])
    isRefusing = false
    await expect.poll(() => reasonsOf('p')).toEqual(DENIES_MORE)
  })
})

describe('two control planes', () => {
  const LEASE_MS = 3_000
  const run = (user: string): RunningIstiod => {
    const running = spawnIstiod({
      ...place.env,
      ...env(user, { AMBIT_LEASE_DURATION: `${LEASE_MS}ms`, AMBIT_TOKEN_JWKS: place.jwksFile }),
    })
    processes.push(running)
    return running
  }
  const lease = async (): Promise<Json> =>
    (await cluster.get('/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/ambit-istiod-leader')).spec

  /** Never two at once: who has begun to write after the other never sees the other write again. */
  const expectOneWriterAtATime = (users: readonly string[]): void => {
    const order = cluster.writes
      .filter(({ user, what }) => users.includes(user) && /status|events/.test(what))
      .map(({ user }) => user)
    const turns = order.filter((user, i) => user !== order[i - 1])
    expect(turns).toEqual([...new Set(order)])
  }

  it('have one writer: when it is killed the other writes within the time of the lease', async () => {
    const a = run('istiod-a')
    await a.line('writes to the cluster from now on')
    const b = run('istiod-b')
    await b.line('serving')
    await cluster.create(POLICIES, policyOfMethods('one'))
    await expect.poll(() => reasonsOf('one')).toEqual(DENIES_MORE)
    expect(cluster.writesOf('istiod-b').filter(({ what }) => what.includes('status'))).toEqual([])

    a.process.kill('SIGKILL')
    const killedMs = performance.now()
    await cluster.create(POLICIES, policyOfMethods('two'))
    await expect.poll(() => reasonsOf('two'), { timeout: 10_000 }).toEqual(DENIES_MORE)
    const [first] = cluster.writesOf('istiod-b').filter(({ what }) => what.includes('status'))
    expect(first?.what).toBe('authorizationpolicies/status shop/two')
    // A lease that was renewed just before, a look each fifth of it, and the time to write.
    expect((first?.atMs ?? Number.POSITIVE_INFINITY) - killedMs).toBeLessThan(LEASE_MS * 1.5 + 1_000)
    expect(await lease()).toMatchObject({ leaseTransitions: 1 })
    expectOneWriterAtATime(['istiod-a', 'istiod-b'])
  })

  it('hand over at once when one is told to end', async () => {
    const a = run('istiod-a')
    await a.line('writes to the cluster from now on')
    const b = run('istiod-b')
    await b.line('serving')
    a.process.kill('SIGTERM')
    const toldMs = performance.now()
    await b.line('writes to the cluster from now on')
    expect(performance.now() - toldMs).toBeLessThan(LEASE_MS / 2)
    await cluster.create(POLICIES, policyOfMethods('two'))
    await expect.poll(() => reasonsOf('two')).toEqual(DENIES_MORE)
    expectOneWriterAtATime(['istiod-a', 'istiod-b'])
  })

  it('leave one writer when the first is stopped for longer than the lease, and goes on', async () => {
    const a = run('istiod-a')
    await a.line('writes to the cluster from now on')
    const b = run('istiod-b')
    await b.line('serving')
    a.process.kill('SIGSTOP')
    await b.line('writes to the cluster from now on')
    await cluster.create(POLICIES, policyOfMethods('meanwhile'))
    a.process.kill('SIGCONT')
    await a.line('writes to the cluster no more')
    for (const name of ['p1', 'p2', 'p3']) await cluster.create(POLICIES, policyOfMethods(name))
    for (const name of ['meanwhile', 'p1', 'p2', 'p3']) await expect.poll(() => reasonsOf(name)).toEqual(DENIES_MORE)
    expectOneWriterAtATime(['istiod-a', 'istiod-b'])
  })
})
