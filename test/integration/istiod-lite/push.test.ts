import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { podYaml, policyYaml, serviceYaml } from '../../support/mesh-objects.ts'

const WEB = 'Kubernetes//Pod/shop/web-1'
const CART = 'Kubernetes//Pod/shop/cart-1'
const WEB_SERVICE = 'shop/web.shop.svc.cluster.local'

let place: IstiodPlace
beforeEach(async () => {
  place = await IstiodPlace.make()
  place.write('web.yaml', podYaml('web-1', '10.0.1.1') + serviceYaml('web', '10.96.0.1'))
  place.write('cart.yaml', podYaml('cart-1', '10.0.1.2', { node: 'node-b', account: 'cart' }))
  place.write('policies.yaml', policyYaml('p'))
})
afterEach(() => place.end())

const page = async (istiod: Istiod, path: string): Promise<unknown> => {
  const response = await fetch(`http://127.0.0.1:${istiod.ports.monitoring}${path}`)
  expect(response.status).toBe(200)
  return response.json()
}

describe('what clients are pushed', () => {
  it('is first everything, then only what a change of a file changes', async () => {
    const istiod = await place.start()
    const mirror = await place.connect(istiod)
    await mirror.client.synced
    expect(mirror.names).toEqual([CART, WEB, 'shop/p', WEB_SERVICE])
    expect(mirror.addresses.get(WEB)).toMatchObject({
      kind: 'workload',
      workload: { protocol: 'HBONE', services: new Map([[WEB_SERVICE, [{ servicePort: 80, targetPort: 8080 }]]]) },
    })

    mirror.responses.length = 0
    place.write('cart.yaml', podYaml('cart-1', '10.0.1.9', { node: 'node-b', account: 'cart' }))
    await mirror.until(() => mirror.responses.length > 0)
    place.write('policies.yaml', policyYaml('p', 'DENY') + policyYaml('q'))
    await mirror.until(() => mirror.responses.length > 1)
    place.remove('cart.yaml')
    await mirror.until(() => mirror.responses.length > 2)
    expect(mirror.responses).toEqual([[`+${CART}`], ['+shop/p', '+shop/q'], [`-${CART}`]])
  })

  it('is one response for a burst of changes, and none for a change that means nothing', async () => {
    const istiod = await place.start({ PILOT_DEBOUNCE_AFTER: '60ms' })
    const mirror = await place.connect(istiod)
    await mirror.client.synced
    mirror.responses.length = 0
    place.write('web.yaml', `# a comment\n${podYaml('web-1', '10.0.1.1')}${serviceYaml('web', '10.96.0.1')}`)
    for (let i = 0; i < 20; i++) place.write(`more-${i}.yaml`, podYaml(`more-${i}`, `10.0.2.${i}`, { account: 'x' }))
    await mirror.until(() => mirror.addresses.size === 23)
    expect(mirror.responses).toHaveLength(1)
    expect(mirror.responses[0]).toHaveLength(20)
  })

  it('stays as it was while a file is unreadable, which is told with file and line', async () => {
    const istiod = await place.start()
    const mirror = await place.connect(istiod)
    await mirror.client.synced
    place.write('policies.yaml', policyYaml('p').replace('rules: [{from', 'rules: [{form'))
    place.write('new.yaml', podYaml('new-1', '10.0.1.3'))
    await mirror.until(() => mirror.addresses.has('Kubernetes//Pod/shop/new-1'))
    expect(mirror.policies.has('shop/p')).toBe(true)
    expect(await page(istiod, '/debug/problems')).toMatchObject({
      objects: [{ line: 5, path: 'spec.rules[0].form', problem: 'unknown field' }],
    })
    expect(place.lines.some((line) => line.includes('DIR/kube/policies.yaml:5: spec.rules[0].form'))).toBe(true)

    place.write('policies.yaml', policyYaml('p', 'DENY'))
    await mirror.until(() => mirror.policies.get('shop/p')?.action === 'Deny')
    expect(await page(istiod, '/debug/problems')).toEqual({ objects: [], conditions: [] })
  })

  it('is booked by client: what it took, and what it refused and why', async () => {
    const istiod = await place.start()
    const refusing = await place.connect(istiod, { refuses: (name) => name === WEB })
    await refusing.until(() => refusing.policies.size === 1 && refusing.addresses.size === 2)
    await expect
      .poll(() => page(istiod, '/debug/syncz'))
      .toEqual([
        expect.objectContaining({
          nodeName: 'node-a',
          principal: 'istio-system/ztunnel',
          types: [
            expect.objectContaining({
              typeUrl: 'type.googleapis.com/istio.workload.Address',
              mode: 'wildcard',
              state: 'NACKED',
              refusal: expect.objectContaining({ message: `${WEB}: not wanted` }),
            }),
            expect.objectContaining({ typeUrl: 'type.googleapis.com/istio.security.Authorization', state: 'SYNCED' }),
          ],
        }),
      ])
    expect(place.metrics[0]?.print()).toContain('pilot_total_xds_rejects{type="istio.workload.Address"} 1')
    await refusing.client.close()
    await expect.poll(() => page(istiod, '/debug/syncz')).toEqual([])
  })

  it('is after a restart only what the client does not hold yet, under the same root', async () => {
    const first = await place.start()
    const mirror = await place.connect(first)
    await mirror.client.synced
    const { rootPem } = place
    const port = first.ports.grpc
    await first.drain({ mode: 'graceful', deadlineMs: 100 })
    await first.close()

    mirror.responses.length = 0
    place.remove('cart.yaml')
    place.write('new.yaml', podYaml('new-1', '10.0.1.3'))
    const second = await place.start({ AMBIT_GRPC_PORT: String(port) })
    await second.serving
    await mirror.until(() => mirror.responses.length === 2)
    expect(mirror.responses).toEqual([['+Kubernetes//Pod/shop/new-1', `-${CART}`], []])
    expect(place.rootPem).toBe(rootPem)
  })

  it('is on demand the pods of the own node, and what is asked for with what belongs to it', async () => {
    place.write('web-2.yaml', podYaml('web-2', '10.0.1.4', { node: 'node-b' }))
    const istiod = await place.start()
    const mirror = await place.connect(istiod, { mode: 'on-demand', node: 'node-a' })
    await mirror.until(() => mirror.addresses.size === 1)
    expect([...mirror.addresses.keys()]).toEqual([WEB])
    const ask = (name: string): Promise<void> =>
      mirror.client.demand('type.googleapis.com/istio.workload.Address', name)

    await ask('/10.0.1.2')
    expect([...mirror.addresses.keys()].sort()).toEqual([CART, WEB])
    await ask('/10.99.99.99')
    await ask('/10.96.0.1')
    const web2 = 'Kubernetes//Pod/shop/web-2'
    expect([...mirror.addresses.keys()].sort()).toEqual([CART, WEB, web2, WEB_SERVICE])

    mirror.responses.length = 0
    place.write('web-3.yaml', podYaml('web-3', '10.0.1.5', { node: 'node-b' }))
    await mirror.until(() => mirror.responses.length === 1)
    place.write('local.yaml', podYaml('x-1', '10.0.1.6', { account: 'x' }))
    await mirror.until(() => mirror.responses.length === 2)
    place.write('foreign.yaml', podYaml('y-1', '10.0.1.7', { account: 'y', node: 'node-b' }))
    place.remove('web-2.yaml')
    await mirror.until(() => mirror.responses.length === 3)
    expect(mirror.responses).toEqual([['+Kubernetes//Pod/shop/web-3'], ['+Kubernetes//Pod/shop/x-1'], [`-${web2}`]])
  })

  it('is nothing without a token that is good', async () => {
    const istiod = await place.start()
    const stranger = await place.connect(istiod, { token: 'no.such.token' })
    const elsewhere = await place.connect(istiod, { token: await place.issuer.token({ audience: 'api' }) })
    await expect
      .poll(() => place.lines.filter((line) => line.includes('client refused')).length)
      .toBeGreaterThanOrEqual(2)
    expect([...stranger.responses, ...elsewhere.responses]).toEqual([])
    const open = await place.start({ XDS_AUTH: 'false' })
    await open.serving
    expect(open.ports.grpc).not.toBe(istiod.ports.grpc)
  })

  it('says what of a policy is not enforced', async () => {
    place.write('http.yaml', policyYaml('h', 'DENY').replace('namespaces: [bad]', 'requestPrincipals: ["*"]'))
    const istiod = await place.start()
    await istiod.serving
    const { conditions } = (await page(istiod, '/debug/problems')) as { conditions: object[] }
    expect(conditions).toEqual([
      {
        kind: 'AuthorizationPolicy',
        key: 'shop/h',
        condition: {
          type: 'ZtunnelAccepted',
          status: 'True',
          reason: 'UnsupportedValue',
          message:
            'ztunnel does not support HTTP attributes (found: requestPrincipals). ' +
            'Without them no DENY rule can match: the policy has no effect.',
        },
      },
      {
        kind: 'AuthorizationPolicy',
        key: 'shop/h',
        condition: {
          type: 'ambit.dev/AppliedAsWritten',
          status: 'False',
          reason: 'NeverMatches',
          message:
            'ztunnel cannot see requestPrincipals: nothing is denied by rule 0; ' +
            'bind the policy to a waypoint with targetRefs.',
        },
      },
    ])
    expect(place.lines.some((line) => line.includes('AuthorizationPolicy shop/h: ztunnel does not support'))).toBe(true)
  })
})

describe('the pages of the monitoring port', () => {
  it('show what is pushed, how often it was derived, the settings and the numbers', async () => {
    const istiod = await place.start()
    await istiod.serving
    expect(await page(istiod, '/debug/ambientz')).toMatchObject({
      workloads: [{ uid: CART }, { uid: WEB, services: { [WEB_SERVICE]: [{ servicePort: 80, targetPort: 8080 }] } }],
      services: [{ hostname: 'web.shop.svc.cluster.local' }],
      policies: [{ name: 'p', rules: [[[{ namespaces: [{ kind: 'exact', value: 'bad' }] }]]] }],
    })
    expect(await page(istiod, '/debug/krtz')).toContainEqual({ name: 'workloads', size: 2, runs: 2, equals: 0 })
    expect(await page(istiod, '/debug/config')).toMatchObject({
      grpcPort: 0,
      trustedNodeAccounts: ['istio-system/ztunnel'],
    })
    const metrics = await (await fetch(`http://127.0.0.1:${istiod.ports.monitoring}/metrics`)).text()
    expect(metrics).toContain('\nambit_workloads 2\n')
    expect(metrics).toContain('\npilot_services 1\n')
    expect(metrics).toMatch(/citadel_server_root_cert_expiry_timestamp \d{10}/)
  })
})

describe('readiness', () => {
  it('comes with the first whole reading of the folder, not before', async () => {
    const istiod = await place.start({ AMBIT_KUBE_DIR: `${place.dir}/later` })
    const ready = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${istiod.ports.http}/ready`)
      return `${response.status} ${(await response.text()).trim()}`
    }
    expect(await ready()).toBe('503 not ready, pending: grpc, objects')
    expect(istiod.ports.grpc).toBe(0)
    expect(place.lines.some((line) => line.includes('cannot be read'))).toBe(true)
  })
})
