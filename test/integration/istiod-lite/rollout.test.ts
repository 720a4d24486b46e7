import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { IstiodPlace, type MeshMirror } from '../../support/istiod.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'
import { LocalPods } from '../../support/local-pods.ts'
import { type AmbitRun, ambit, RunningAmbit } from '../../support/run-ambit.ts'

const ADDRESSES = 'type.googleapis.com/istio.workload.Address'
const POLICIES = 'type.googleapis.com/istio.security.Authorization'
const CRDS = new URL('../../../daemonset/crds/', import.meta.url)

/** Pods of replicas, whose monitoring ports are those of the control planes that run in this process. */
class Replicas extends LocalPods {
  readonly #ports = new Map<string, number>()

  add(name: string, istiod: Istiod): void {
    this.#ports.set(name, istiod.ports.monitoring)
  }

  override async portForward(pod: {
    readonly metadata: { readonly name: string }
  }): ReturnType<LocalPods['portForward']> {
    const socket = connect({ port: this.#ports.get(pod.metadata.name) ?? 1, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }
}

const policy = (name: string, action = 'ALLOW', labels = {}): string =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'shop', labels },
    spec: { action, rules: [{ from: [{ source: { namespaces: ['bad'] } }] }] },
  })

const POLICY_Q = '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/q'

describe('ambit apply --wait and wait-for-sync', () => {
  let api: TestApi
  let kube: KubeClient
  let replicas: Replicas
  let place: IstiodPlace
  let istiod: Istiod

  beforeEach(async () => {
    replicas = new Replicas()
    api = await startTestApi({ backend: replicas })
    await installMeshCrds(readMeshCrds(CRDS), api.server.access)
    kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    for (const name of ['istio-system', 'shop']) await create('/api/v1/namespaces', { metadata: { name } })
    place = await IstiodPlace.make()
    istiod = await startReplica('istiod-1')
  })
  afterEach(async () => {
    await place.end()
    kube.close()
    await api.close()
  })

  async function create(path: string, body: Json): Promise<void> {
    const { code, text } = await kube.post(path, body)
    if (code >= 300) throw new Error(`POST ${path}: ${code} ${text}`)
  }

  async function startReplica(name: string): Promise<Istiod> {
    const pods = '/api/v1/namespaces/istio-system/pods'
    const spec = { containers: [{ name: 'discovery', image: 'i' }] }
    await create(pods, { metadata: { name, labels: { app: 'istiod' } }, spec })
    await kube.merge(`${pods}/${name}/status`, { status: { phase: 'Running' } })
    const started = await place.start({ AMBIT_KUBE_DIR: '', KUBECONFIG: api.kubeconfig })
    await started.serving
    replicas.add(name, started)
    return started
  }

  const start = (args: string, input = ''): RunningAmbit =>
    new RunningAmbit(args.split(' '), { kubeconfig: api.kubeconfig, input })
  const run = (args: string, input = ''): Promise<AmbitRun> =>
    ambit(args.split(' '), { kubeconfig: api.kubeconfig, input })
  const mirrorOf = async (of: Istiod, node: string, settings = {}): Promise<MeshMirror> => {
    const mirror = await place.connect(of, { node, ...settings })
    await mirror.until(() => mirror.responses.length >= 2)
    return mirror
  }

  it('come back when every proxy runs with it', async () => {
    const [one, two] = [await mirrorOf(istiod, 'node-a'), await mirrorOf(istiod, 'node-b')]
    expect(await run('apply -f - --wait', policy('p'))).toMatchObject({ code: 0, stderr: '' })
    expect([one.policies.has('shop/p'), two.policies.has('shop/p')]).toEqual([true, true])
    expect(await run('apply -f - --wait', policy('p'))).toMatchObject({ code: 0, stdout: /unchanged/ })
    expect(await run('wait-for-sync')).toEqual({ code: 0, stderr: '', stdout: '2 proxies are in sync\n' })
    await kube.delete('/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/p')
    await one.until(() => !one.policies.has('shop/p'))
    expect(await run('wait-for-sync')).toMatchObject({ code: 0 })
  })

  it('come back at once for what no proxy is told, also when one of them does not answer', async () => {
    const silent = await place.script(istiod)
    silent.send({ typeUrl: POLICIES, node: { id: 'z~1~silent.istio-system~x' } })
    await silent.next()
    expect(await run('apply -f - --wait --timeout 200ms', policy('p'))).toMatchObject({ code: 1 })
    const asleep = await run('apply -f - --wait --timeout 200ms', policy('q'))
    expect(asleep.stderr).toContain('silent.istio-system has not answered')
    // Its labels are nobody's business, and a ConfigMap is not read at all.
    expect(await run('apply -f - --wait --timeout 5s', policy('q', 'ALLOW', { team: 'x' }))).toMatchObject({ code: 0 })
    const map = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm', namespace: 'shop' } })
    expect(await run('apply -f - --wait --timeout 5s', map)).toMatchObject({ code: 0, stderr: '' })
  })

  it('do not wait for a proxy that left once its pod is gone', async () => {
    const pods = '/api/v1/namespaces/istio-system/pods'
    await create(pods, { metadata: { name: 'leaving' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
    await kube.merge(`${pods}/leaving/status`, { status: { phase: 'Running', podIP: '10.0.0.9' } })
    const leaving = await place.script(istiod)
    leaving.send({ typeUrl: POLICIES, node: { id: 'z~10.0.0.9~leaving.istio-system~x' } })
    leaving.send({ typeUrl: POLICIES, responseNonce: (await leaving.next()).nonce })
    leaving.close()
    await expect.poll(() => syncz(istiod)).toEqual([])
    const early = await run('apply -f - --wait --timeout 300ms', policy('p'))
    expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('leaving.istio-system') })
    const waiting = start('apply -f - --wait --timeout 15s', policy('q'))
    await expect.poll(async () => (await kube.get(POLICY_Q)).code).toBe(200)
    await kube.delete(`${pods}/leaving?gracePeriodSeconds=0`)
    // Before the time is over for which it would be missed.
    expect(await waiting.ended).toMatchObject({ code: 0 })
  })

  it('come back for a proxy only when it has answered, and name one that refuses', async () => {
    const proxy = await place.script(istiod)
    proxy.send({ typeUrl: POLICIES, node: { id: 'z~1~slow.istio-system~x' } })
    proxy.send({ typeUrl: POLICIES, responseNonce: (await proxy.next()).nonce })
    const waiting = start('apply -f - --wait', policy('p'))
    const { nonce } = await proxy.next()
    const state = async (): Promise<unknown> => (await syncz(istiod))[0]?.types[0]
    expect(await state()).toMatchObject({ state: 'STALE', lagMs: expect.any(Number) })
    proxy.send({ typeUrl: POLICIES, responseNonce: nonce })
    expect(await waiting.ended).toMatchObject({ code: 0 })
    expect(await state()).toMatchObject({ state: 'SYNCED', lagMs: 0 })

    const refused = start('apply -f - --wait', policy('q'))
    const second = await proxy.next()
    proxy.send({ typeUrl: POLICIES, responseNonce: second.nonce, errorDetail: { code: 0, message: 'shop/q: too new' } })
    expect(await refused.ended).toMatchObject({
      code: 1,
      stderr: 'ambit: standard input:1: slow.istio-system refused Authorization: shop/q: too new\n',
    })
    expect((await run('proxy-status')).stdout).toMatch(/slow\.istio-system .* NACKED .*shop\/q: too new/)

    // Its refusal is not that of what comes after it.
    const after = start('apply -f - --wait', policy('r'))
    proxy.send({ typeUrl: POLICIES, responseNonce: (await proxy.next()).nonce })
    expect(await after.ended).toMatchObject({ code: 0, stderr: '' })
    expect(await state()).toMatchObject({ state: 'NACKED' })
  })

  it('say what the control plane cannot read, which no proxy is going to have', async () => {
    // The definition leaves networks to whoever reads them.
    const bad = policy('bad').replace('"namespaces":["bad"]', '"ipBlocks":["10.0.0.0/99"]')
    expect(await run('apply -f - --wait', bad)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/istiod-1 cannot read it: AuthorizationPolicy shop\/bad: spec\.rules\[0\]/),
    })
  })

  it('wait for the proxies of every replica, and for one that is on its way from one to another', async () => {
    const second = await startReplica('istiod-2')
    const mirror = await mirrorOf(second, 'node-a')
    const proxy = await place.script(istiod)
    const node = { id: 'z~1~moving.istio-system~x' }
    proxy.send({ typeUrl: POLICIES, node })
    proxy.send({ typeUrl: POLICIES, responseNonce: (await proxy.next()).nonce })

    const waiting = start('apply -f - --wait', policy('p'))
    await proxy.next()
    await mirror.until(() => mirror.policies.has('shop/p'))
    proxy.close()
    await expect.poll(() => syncz(istiod)).toEqual([])
    const elsewhere = await place.script(second)
    elsewhere.send({ typeUrl: POLICIES, node })
    const { nonce } = await elsewhere.next()
    expect(waiting.stdout).toContain('created')
    elsewhere.send({ typeUrl: POLICIES, responseNonce: nonce })
    expect(await waiting.ended).toMatchObject({ code: 0, stderr: '' })
    expect(await run('wait-for-sync')).toMatchObject({ stdout: '2 proxies are in sync\n' })
  })

  it('send nothing again to a proxy that comes to another replica', async () => {
    await run('apply -f - --wait', policy('p'))
    const second = await startReplica('istiod-2')
    const first = await place.script(istiod)
    const node = { id: 'z~1~a.istio-system~x' }
    const held: Record<string, Record<string, string>> = {}
    for (const typeUrl of [ADDRESSES, POLICIES]) {
      first.send({ typeUrl, node })
      const { resources } = await first.next()
      held[typeUrl] = Object.fromEntries(resources.map(({ name, version }) => [name, version]))
    }
    expect(Object.keys(held[POLICIES] ?? {})).toEqual(['shop/p'])
    const other = await place.script(second)
    for (const typeUrl of [ADDRESSES, POLICIES]) {
      other.send({ typeUrl, node, initialResourceVersions: held[typeUrl] ?? {} })
      expect(await other.next()).toMatchObject({ typeUrl, resources: [], removedResources: [] })
    }
  })
})

async function syncz(istiod: Istiod): Promise<readonly { readonly types: readonly unknown[] }[]> {
  const response = await fetch(`http://127.0.0.1:${istiod.ports.monitoring}/debug/syncz`)
  return (await response.json()) as readonly { readonly types: readonly unknown[] }[]
}
