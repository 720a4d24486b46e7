import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { podYaml, policyYaml } from '../../support/mesh-objects.ts'

const ADDRESSES = 'type.googleapis.com/istio.workload.Address'
const POLICIES = 'type.googleapis.com/istio.security.Authorization'
const node = {
  id: 'ztunnel~10.0.0.1~slow.istio-system~x',
  metadata: { fields: { NODE_NAME: { stringValue: 'node-a' } } },
}
const uid = (name: string): string => `Kubernetes//Pod/shop/${name}`

describe('clients of the control plane', () => {
  let place: IstiodPlace
  let istiod: Istiod

  beforeEach(async () => {
    place = await IstiodPlace.make()
    place.write('web.yaml', podYaml('web-1', '10.0.1.1') + policyYaml('p'))
    istiod = await place.start({ UNSAFE_ENABLE_ADMIN_ENDPOINTS: 'true' })
    await istiod.serving
  })
  afterEach(() => place.end())

  const page = async (path: string, method = 'GET'): Promise<Response> =>
    fetch(`http://127.0.0.1:${istiod.ports.monitoring}${path}`, { method })
  const metric = async (pattern: RegExp): Promise<string[]> =>
    (await (await page('/metrics')).text()).match(pattern) ?? []

  it('that read slowly cost others nothing, and get in one response what came meanwhile', async () => {
    const slow = await place.script(istiod)
    slow.send({ typeUrl: ADDRESSES, node })
    const first = await slow.next()
    slow.pause()
    const fast = await place.connect(istiod)
    await fast.client.synced
    for (let i = 0; i < 20; i++) {
      place.write('more.yaml', podYaml(`more-${i}`, `10.0.2.${i + 1}`))
      await fast.until(() => fast.addresses.has(uid(`more-${i}`)))
    }
    expect(await (await page('/debug/push_status')).json()).toMatchObject({
      clients: 2,
      notSynced: [{ proxy: node.id, state: 'STALE', lagMs: expect.any(Number) }],
    })
    slow.resume()
    slow.send({ typeUrl: ADDRESSES, responseNonce: first.nonce })
    const { resources, removedResources } = await slow.next()
    // Those that came and went again while it was slow are no business of its any more.
    expect([resources.map(({ name }) => name), removedResources]).toEqual([[uid('more-19')], []])
    expect(slow.isQuiet).toBe(true)
  })

  it('that come back are sent nothing that they hold, by this process or the next', async () => {
    const first = await place.script(istiod)
    const held: Record<string, Record<string, string>> = {}
    for (const typeUrl of [ADDRESSES, POLICIES]) {
      first.send({ typeUrl, node })
      const { resources } = await first.next()
      held[typeUrl] = Object.fromEntries(resources.map(({ name, version }) => [name, version]))
    }
    first.close()
    for (const of of [istiod, await place.start()]) {
      const again = await place.script(of)
      for (const typeUrl of [ADDRESSES, POLICIES]) {
        again.send({ typeUrl, node, initialResourceVersions: held[typeUrl] ?? {} })
        expect(await again.next()).toMatchObject({ typeUrl, resources: [], removedResources: [] })
      }
    }
  })

  it('ask for a host by name, get what changes in it, and give it back', async () => {
    const service = 'shop/web.shop.svc.cluster.local'
    const yaml = (ports: string): string =>
      `---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [${ports}]}\n`
    place.write('service.yaml', yaml('{port: 80}'))
    const mirror = await place.connect(istiod)
    await mirror.until(() => mirror.addresses.has(service))
    const client = await place.script(istiod)
    const elsewhere = { ...node, metadata: { fields: { NODE_NAME: { stringValue: 'node-z' } } } }
    client.send({ typeUrl: ADDRESSES, node: elsewhere, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] })
    const empty = await client.next()
    expect(empty.resources).toEqual([])
    client.send({ typeUrl: ADDRESSES, responseNonce: empty.nonce, resourceNamesSubscribe: [service] })
    const answer = await client.next()
    expect(answer.resources.map(({ name }) => name).sort()).toEqual([uid('web-1'), service])
    client.send({ typeUrl: ADDRESSES, responseNonce: answer.nonce })
    place.write('service.yaml', yaml('{port: 81}'))
    const change = await client.next()
    expect(change.resources.map(({ name }) => name).sort()).toEqual([uid('web-1'), service])
    client.send({
      typeUrl: ADDRESSES,
      responseNonce: change.nonce,
      resourceNamesUnsubscribe: [service, uid('web-1')],
      resourceNamesSubscribe: ['/10.0.1.1'],
    })
    const byAddress = await client.next()
    expect(byAddress).toMatchObject({ resources: [{ name: uid('web-1') }], removedResources: ['/10.0.1.1'] })
    client.send({
      typeUrl: ADDRESSES,
      responseNonce: byAddress.nonce,
      resourceNamesUnsubscribe: ['/10.0.1.1', uid('web-1')],
    })
    mirror.responses.length = 0
    place.write('service.yaml', yaml('{port: 82}'))
    await mirror.until(() => mirror.responses.length === 1)
    await client.ping()
    expect(client.isQuiet).toBe(true)
  })

  it('show on the pages of the monitoring port, and can be sent away', async () => {
    const mirror = await place.connect(istiod)
    await mirror.client.synced
    await mirror.until(() => mirror.responses.length === 2)
    expect(await (await page('/debug/adsz')).json()).toMatchObject({
      totalClients: 1,
      clients: [{ watches: { [ADDRESSES]: 1, [POLICIES]: 1 } }],
    })
    const dump = await (await page('/debug/config_dump?proxyID=ztunnel-a.istio-system')).json()
    expect(dump).toMatchObject({ held: { [ADDRESSES]: { [uid('web-1')]: expect.stringMatching(/^\S{16}$/) } } })
    expect((await page('/debug/config_dump?proxyID=nobody')).status).toBe(404)
    expect((await page('/debug/rolloutz?kind=Pod')).status).toBe(400)
    expect(await (await page('/debug/rolloutz')).json()).toMatchObject({ state: 'told', waiting: [], refused: [] })
    const list = (await (await page('/debug/list')).json()) as object
    const down = ['/debug/force_disconnect', '/debug/config_dump']
    for (const path of Object.keys(list).filter((each) => !down.includes(each)))
      expect({ path, status: (await page(path)).status }).toEqual({ path, status: 200 })

    expect((await page('/debug/force_disconnect?proxyID=ztunnel-a.istio-system')).status).toBe(405)
    expect((await page('/debug/force_disconnect?proxyID=nobody', 'POST')).status).toBe(404)
    expect((await page('/debug/force_disconnect?proxyID=ztunnel-a.istio-system', 'POST')).status).toBe(200)
    await mirror.until(() => mirror.responses.length === 4)
    expect(mirror.responses.slice(2)).toEqual([[], []])
    const guarded = await place.start()
    const refused = await fetch(`http://127.0.0.1:${guarded.ports.monitoring}/debug/pprof/profile?seconds=1`)
    expect(refused.status).toBe(404)
  })

  it('are counted under the names that Istio has for it', async () => {
    const mirror = await place.connect(istiod)
    await mirror.client.synced
    place.write('more.yaml', podYaml('more', '10.0.2.1'))
    await mirror.until(() => mirror.addresses.size === 2)
    await expect
      .poll(() => metric(/^pilot_proxy_convergence_time_count .*$/gm))
      .toEqual(['pilot_proxy_convergence_time_count 1'])
    const text = await (await page('/metrics')).text()
    for (const line of [
      'pilot_xds{version=""} 1',
      'pilot_xds_pushes{type="istio.workload.Address"} 2',
      'pilot_push_triggers{type="istio.workload.Address"} 1',
      'pilot_proxy_queue_time_count 1',
      'pilot_debounce_time_count 1',
      'pilot_total_xds_internal_errors 0',
      'pilot_k8s_reg_events{type="Pods",event="add"} 2',
      'pilot_k8s_cfg_events{type="AuthorizationPolicy",event="add"} 1',
      'pilot_inbound_updates{type="eds"} 2',
      'pilot_info{version="0.1.0"} 1',
    ])
      expect(text.split('\n')).toContain(line)
    expect(text).toMatch(/^istiod_uptime_seconds \d/m)
    const readme = readFileSync(new URL('../../../src/istiod-lite/README.md', import.meta.url), 'utf8')
    const [, section = ''] = /^## Metrics$(.*?)^## /ms.exec(readme) ?? []
    const described = [...section.matchAll(/`((?:pilot|ambit|istiod)_\w+)`/g)].map(([, name = '']) => name)
    expect(described.length).toBeGreaterThan(15)
    for (const name of described) expect(text).toContain(`# TYPE ${name.replace(/_total$/, '')} `)
  })
})
