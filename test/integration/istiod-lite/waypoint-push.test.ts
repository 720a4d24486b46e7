import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clusterType, requestPolicyType, routesType, tokenPolicyType, workloadLabelsType } from '#shared/xds'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import type { DeltaResponse } from '../../../src/shared/xds/messages.ts'
import type { ScriptedAdsClient } from '../../support/ads-peer.ts'
import { IstiodPlace } from '../../support/istiod.ts'

/** Two waypoints, each for the one service of its namespace. */
const namespace = (name: string, ip: string): string => `---
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: { istio.io/use-waypoint: gate } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate, namespace: ${name} }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: ${ip}9 }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: ${name} }
spec: { clusterIP: ${ip}1, selector: { app: cart }, ports: [{ name: http, port: 80 }] }
`
const route = (where: string, name: string, path: string): string => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${where} }
spec:
  parentRefs: [{ group: '', kind: Service, name: cart }]
  rules: [{ matches: [{ path: { value: ${path} } }], backendRefs: [{ name: cart, port: 80 }] }]
`
const policy = (where: string): string => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: ${where} }
spec: { targetRefs: [{ group: '', kind: Service, name: cart }], rules: [{}] }
`
const rule = (balancing: string): string => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart, namespace: shop }
spec: { host: cart, trafficPolicy: { loadBalancer: { simple: ${balancing} } } }
`

let place: IstiodPlace
beforeEach(async () => {
  place = await IstiodPlace.make()
  place.write('shop.yaml', namespace('shop', '10.96.0.') + policy('shop'))
  place.write('bank.yaml', namespace('bank', '10.96.1.') + policy('bank') + route('bank', 'pay', '/pay'))
  place.write('route.yaml', route('shop', 'items', '/items'))
  place.write('rule.yaml', rule('RANDOM'))
})
afterEach(() => place.end())

/** A stream that says it is the waypoint `gate` of a namespace; its token is of `proves`. */
const waypoint = async (istiod: Istiod, of: string, proves = of): Promise<ScriptedAdsClient> =>
  place.script(istiod, await place.issuer.token({ namespace: proves, serviceAccount: 'gate', podName: 'gate-1' }))

const text = (value: string) => ({ stringValue: value })
const nodeOf = (of: string) => ({
  id: `waypoint~10.0.0.1~gate-1.${of}~${of}.svc.cluster.local`,
  metadata: {
    fields: {
      NAMESPACE: text(of),
      LABELS: { structValue: { fields: { 'gateway.networking.k8s.io/gateway-name': text('gate') } } },
    },
  },
})

/** `+name` and `-name`. */
const namesOf = ({ resources, removedResources }: DeltaResponse): readonly string[] => [
  ...resources.map(({ name }) => `+${name}`),
  ...removedResources.map((name) => `-${name}`),
]

const ack = (client: ScriptedAdsClient, { typeUrl, nonce }: DeltaResponse): void =>
  client.send({ typeUrl, responseNonce: nonce })

describe('a waypoint', () => {
  it('is told what is for it, of each type, and nothing of others', async () => {
    const istiod = await place.start()
    const client = await waypoint(istiod, 'shop')
    const told: string[] = []
    for (const { typeUrl } of [routesType, clusterType, requestPolicyType, tokenPolicyType, workloadLabelsType]) {
      client.send({ node: nodeOf('shop'), typeUrl })
      const response = await client.next()
      expect(response.typeUrl).toBe(typeUrl)
      told.push(...namesOf(response))
      ack(client, response)
    }
    const cart = 'shop/gate/shop/cart.shop.svc.cluster.local/80'
    expect(told).toEqual([`+${cart}`, `+${cart}`, '+shop/gate/shop/p'])
  })

  it('is sent one resource for a change of one route, and its neighbour none', async () => {
    const istiod = await place.start()
    const [shop, bank] = [await waypoint(istiod, 'shop'), await waypoint(istiod, 'bank')]
    for (const [client, of] of [[shop, 'shop'] as const, [bank, 'bank'] as const]) {
      client.send({ node: nodeOf(of), typeUrl: routesType.typeUrl })
      ack(client, await client.next())
      client.send({ typeUrl: clusterType.typeUrl })
      ack(client, await client.next())
    }
    place.write('route.yaml', route('shop', 'items', '/things'))
    const changed = await shop.next()
    expect(namesOf(changed)).toEqual(['+shop/gate/shop/cart.shop.svc.cluster.local/80'])
    const [{ resource }] = changed.resources as [DeltaResponse['resources'][number]]
    const path = routesType.decode(resource?.value ?? new Uint8Array()).http?.[0]?.matches[0]?.path
    expect(path).toEqual({ kind: 'segments', value: '/things' })
    ack(shop, changed)

    place.remove('route.yaml')
    expect(namesOf(await shop.next())).toEqual(['-shop/gate/shop/cart.shop.svc.cluster.local/80'])
    await bank.ping()
    expect(bank.isQuiet).toBe(true)
  })

  it('that comes back is sent nothing that it holds', async () => {
    const istiod = await place.start()
    const first = await waypoint(istiod, 'shop')
    first.send({ node: nodeOf('shop'), typeUrl: routesType.typeUrl })
    const { resources } = await first.next()
    first.close()

    const held = Object.fromEntries(resources.map(({ name, version }) => [name, version]))
    const second = await waypoint(istiod, 'shop')
    second.send({ node: nodeOf('shop'), typeUrl: routesType.typeUrl, initialResourceVersions: held })
    const again = await second.next()
    expect(namesOf(again)).toEqual([])
    ack(second, again)
    second.send({ typeUrl: clusterType.typeUrl, initialResourceVersions: { 'shop/gate/gone': 'x' } })
    expect(namesOf(await second.next())).toEqual(['+shop/gate/shop/cart.shop.svc.cluster.local/80', '-shop/gate/gone'])
  })

  it('that cannot prove its namespace is told nothing', async () => {
    const istiod = await place.start()
    const liar = await waypoint(istiod, 'shop', 'bank')
    liar.send({ node: nodeOf('shop'), typeUrl: routesType.typeUrl })
    expect(namesOf(await liar.next())).toEqual([])
  })

  it('that no longer serves a service has what was for it taken back', async () => {
    const istiod = await place.start()
    const client = await waypoint(istiod, 'shop')
    client.send({ node: nodeOf('shop'), typeUrl: requestPolicyType.typeUrl })
    ack(client, await client.next())
    place.write(
      'shop.yaml',
      namespace('shop', '10.96.0.').replaceAll('istio.io/use-waypoint: gate', 'x: y') + policy('shop'),
    )
    expect(namesOf(await client.next())).toEqual(['-shop/gate/shop/p'])
  })
})
