import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '#shared/clock'
import { formatProblem, meshKinds, type ObjectSource } from '#shared/k8s'
import { type KubeClient, watchApi } from '#shared/kube-client'
import { ApiClient } from '../../../../src/shared/kube-client/client.ts'
import type { WatchTimes } from '../../../../src/shared/kube-client/kind-watch.ts'
import { FakeApi } from '../../../support/fake-api.ts'
import { ObjectMirror } from '../../../support/object-mirror.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const TIMES: WatchTimes = { firstRetryMs: 5, maxRetryMs: 40, absentMs: 30, watchSeconds: 60 }
const KINDS = ['Namespace', 'Pod', 'AuthorizationPolicy']
const targets = meshKinds.filter(({ kind }) => KINDS.includes(kind)).map((reader) => ({ reader }))
const POD_STATUS = { status: { phase: 'Running', podIP: '10.0.0.1' }, spec: { nodeName: 'n' } }

describe('the objects of an API server', () => {
  let api: FakeApi
  let client: KubeClient
  let source: ObjectSource
  let mirror: ObjectMirror

  beforeEach(async () => {
    api = await FakeApi.start(['pods', 'authorizationpolicies'])
    client = new ApiClient(api.login, { clock: systemClock, timeoutMs: 300 })
  })

  afterEach(async () => {
    await source.close()
    await client.close()
    await api.close()
    expect(mirror.violations).toEqual([])
  })

  function watch(): void {
    source = watchApi(client, targets, { clock: systemClock, logger: quietLogger, times: TIMES })
    mirror = new ObjectMirror(source, ...KINDS)
  }

  const putPod = (name: string, labels: Record<string, string> = {}): void =>
    api.put('pods', { name, namespace: 'shop', labels }, POD_STATUS)
  const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5000, interval: 2 })
  const untilPods = (...names: readonly string[]): Promise<void> =>
    until(() => expect(mirror.keys('Pod')).toEqual(names.map((name) => `shop/${name}`)))
  /** Every kind watches from where the server is. */
  const untilWatching = (kinds = KINDS.length): Promise<void> => until(() => expect(api.watchCount).toBe(kinds))

  it('are read in pages, and then followed', async () => {
    api.pageLimit = 2
    for (const name of ['a', 'b', 'c', 'd', 'e']) putPod(name)
    watch()
    await source.synced
    expect(mirror.keys('Pod')).toEqual(['shop/a', 'shop/b', 'shop/c', 'shop/d', 'shop/e'])
    await untilWatching()
    putPod('f')
    api.remove('pods', 'a', 'shop')
    putPod('b', { app: 'b' })
    await untilPods('b', 'c', 'd', 'e', 'f')
    expect(mirror.changes.slice(-3)).toEqual(['added Pod shop/f', 'deleted Pod shop/a', 'updated Pod shop/b'])
  })

  it('keep of the fields only what the mesh reads, and tell nothing when the others change', async () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'x' }
    api.put('pods', { name: 'a', namespace: 'shop', annotations, managedFields: [{ manager: 'm' }] }, POD_STATUS)
    watch()
    await source.synced
    await untilWatching()
    const [pod] = mirror.objects.values()
    expect(mirror.objects.get('Pod shop/a')?.metadata.annotations).toEqual({ mine: 'x' })
    expect(JSON.stringify([pod, ...mirror.objects.values()])).not.toContain('managedFields')
    const told = mirror.changes.length
    api.put('pods', { name: 'a', namespace: 'shop', annotations: { mine: 'x' }, managedFields: [] }, POD_STATUS)
    putPod('b')
    await untilPods('a', 'b')
    expect(mirror.changes.slice(told)).toEqual(['added Pod shop/b'])
  })

  it.each([
    ['the connections are cut', (): void => api.dropConnections()],
    ['the server ends the watches', (): void => api.endWatches()],
    ['an event is torn', (): void => api.tearWatches()],
    ['the watches have expired', (): void => api.expireWatches()],
    ['an event is no JSON', (): void => api.writeToWatches('{]\n')],
    ['an event is of an unknown type', (): void => api.writeToWatches('{"type":"MAYBE","object":{}}\n')],
    ['an object has no name', (): void => api.writeToWatches('{"type":"ADDED","object":{"metadata":{}}}\n')],
  ])('are whole again after %s, with what changed meanwhile, and nothing twice', async (_, fail) => {
    for (const name of ['a', 'b', 'c']) putPod(name)
    watch()
    await source.synced
    await untilWatching()
    const told = mirror.changes.length
    fail()
    api.remove('pods', 'a', 'shop')
    putPod('d')
    await untilPods('b', 'c', 'd')
    await untilWatching()
    expect(mirror.changes.slice(told).sort()).toEqual(['added Pod shop/d', 'deleted Pod shop/a'])
    await until(() => expect(source.problems).toEqual([]))
  })

  it.each([
    ['counts from an earlier revision', -500],
    ['counts beyond the one that is followed', 500],
  ])('are those of another cluster that answers at the same address and %s', async (_, step) => {
    putPod('a')
    watch()
    await source.synced
    await untilWatching()
    api.becomeAnother(api.revision + step)
    putPod('b')
    await untilPods('b')
  })

  it('stay as they were while the server is gone, and a pod that was made anew meanwhile is another one', async () => {
    putPod('a')
    watch()
    await source.synced
    await untilWatching()
    api.fail(...Array.from({ length: 12 }, () => ({ kind: 'status', status: 500 }) as const))
    api.dropConnections()
    await until(() => expect(source.problems).not.toEqual([]))
    expect(mirror.keys('Pod')).toEqual(['shop/a'])
    api.remove('pods', 'a', 'shop')
    putPod('a')
    await until(() => expect(mirror.changes.slice(-2)).toEqual(['deleted Pod shop/a', 'added Pod shop/a']))
    await until(() => expect(source.problems).toEqual([]))
  })

  it('are synced only when every kind was read, whatever goes wrong before', async () => {
    putPod('a')
    api.fail({ kind: 'status', status: 503 }, { kind: 'drop' }, { kind: 'garbage' }, { kind: 'hang' })
    watch()
    await source.synced
    expect(mirror.keys('Pod')).toEqual(['shop/a'])
    expect(mirror.keys('Namespace')).toEqual(['kube-system'])
  })

  it('that are wrong keep their last good form and are named, until they are right or gone', async () => {
    const policy = (name: string, spec: object): void =>
      api.put('authorizationpolicies', { name, namespace: 'shop' }, { spec })
    policy('p', { action: 'DENY' })
    policy('q', { actoin: 'DENY' })
    watch()
    await source.synced
    await untilWatching()
    const problem = (name: string): string => `AuthorizationPolicy shop/${name}: spec.actoin: unknown field`
    expect(source.problems.map(formatProblem)).toEqual([problem('q')])
    policy('p', { actoin: 'ALLOW' })
    await until(() => expect(source.problems.map(formatProblem)).toEqual([problem('q'), problem('p')]))
    expect(mirror.objects.get('AuthorizationPolicy shop/p')).toMatchObject({ spec: { action: 'DENY' } })
    // A new list finds the same.
    api.expireWatches()
    await untilWatching()
    expect(mirror.objects.get('AuthorizationPolicy shop/p')).toMatchObject({ spec: { action: 'DENY' } })
    api.remove('authorizationpolicies', 'q', 'shop')
    policy('p', { action: 'ALLOW' })
    await until(() => expect(source.problems).toEqual([]))
    expect(mirror.objects.get('AuthorizationPolicy shop/p')).toMatchObject({ spec: { action: 'ALLOW' } })
  })

  it('that may not be listed are named with the words of the server, and do not hold up other kinds', async () => {
    await api.close()
    api = await FakeApi.start(['pods', 'authorizationpolicies'])
    client = new ApiClient(api.login, { clock: systemClock, timeoutMs: 300 })
    api.refuse('pods', 400)
    watch()
    await untilWatching(KINDS.length - 1)
    await until(() =>
      expect(source.problems.map(({ problem }) => problem)).toEqual([expect.stringMatching(/pods .* 400/)]),
    )
    expect(mirror.keys('Namespace')).toEqual(['kube-system'])
    putPod('a')
    api.refuse('pods', undefined)
    await source.synced
    expect(mirror.keys('Pod')).toEqual(['shop/a'])
    expect(source.problems).toEqual([])
  })

  it('of a kind that is not installed are none, until it is', async () => {
    await api.close()
    api = await FakeApi.start(['pods'])
    client = new ApiClient(api.login, { clock: systemClock, timeoutMs: 300 })
    watch()
    await source.synced
    expect(source.problems).toEqual([])
    expect(api.requests).toContain('/apis/security.istio.io/v1beta1/authorizationpolicies?limit=500')
    api.serve('authorizationpolicies')
    api.put('authorizationpolicies', { name: 'p', namespace: 'shop' }, { spec: {} })
    await until(() => expect(mirror.keys('AuthorizationPolicy')).toEqual(['shop/p']))
    api.unserve('authorizationpolicies')
    await until(() => expect(mirror.keys('AuthorizationPolicy')).toEqual([]))
  })

  it('are not taken for gone by a proxy that knows no paths', async () => {
    putPod('a')
    watch()
    await source.synced
    await untilWatching()
    api.fail(...Array.from({ length: 30 }, () => ({ kind: 'status', status: 404 }) as const))
    api.dropConnections()
    await until(() => expect(source.problems.length).toBe(KINDS.length))
    await untilWatching()
    expect(mirror.changes).not.toContain('deleted Pod shop/a')
  })

  it('cost few requests while the server is gone, and one watch a kind when it is back', async () => {
    watch()
    await source.synced
    await untilWatching()
    const before = api.requests.length
    api.dropConnections()
    await untilWatching()
    // A watch each; a check before and after, for all kinds at once or for each when they notice apart.
    expect(api.requests.length - before).toBeLessThanOrEqual(4 * KINDS.length)
  })

  it('are followed from bookmarks, which spares the events between', async () => {
    watch()
    await source.synced
    await untilWatching()
    for (const name of ['x', 'y', 'z']) api.put('nodes', { name })
    api.bookmark()
    const bookmarked = api.revision
    putPod('a')
    await untilPods('a')
    api.endWatches()
    await untilWatching()
    const resumed = api.requests.filter((path) => path.includes(`resourceVersion=${bookmarked}`))
    expect(resumed.length).toBe(KINDS.length - 1)
  })
})
