import { describe, expect, it } from 'vitest'
import { type EndpointSlice, type Gateway, objectKey, readObjects, type Service } from '#shared/k8s'
import { decideStatus, editStatus, type GatewayStatus } from '../../../../src/istiod-lite/deployments/gateway-status.ts'
import { planGateway } from '../../../../src/istiod-lite/deployments/plan.ts'

const settings = {
  clusterId: 'Kubernetes',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  waypointImage: 'ambit/waypoint',
}
const NOW = '2026-01-01T00:00:00Z'
const SERVICE = `apiVersion: v1
kind: Service
metadata: {name: waypoint, namespace: shop}
spec: {clusterIPs: [10.1.0.15, "fd00::15"], ports: [{name: status-port, port: 15021}, {name: mesh, port: 15008}]}
`
const slice = (ready: boolean, port = 'mesh'): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: waypoint-1, namespace: shop, labels: {kubernetes.io/service-name: waypoint}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.7], conditions: {ready: ${ready}}}]
ports: [{name: ${port}, port: 15008}]
`
const gateway = (
  spec = '',
  annotations = '',
  className = 'istio-waypoint',
): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop, generation: 7, annotations: {${annotations}}}
spec: {gatewayClassName: ${className}, listeners: [{name: mesh, port: 15008, protocol: HBONE}]${spec}}
`

const statusOf = (texts: readonly string[], inTheWay: readonly string[] = []): GatewayStatus | undefined => {
  const { objects, problems } = readObjects(texts.join('---\n'), 'test')
  expect(problems).toEqual([])
  const plan = planGateway(objects.find(({ kind }) => kind === 'Gateway') as Gateway, {
    gatewayClass: undefined,
    parameters: () => ({ kind: 'read', overlays: [] }),
    network: '',
    settings,
  })
  if (plan === undefined) throw new Error('it is of another class')
  return decideStatus(plan, {
    clusterDomain: 'cluster.local',
    serviceOf: (key) => objects.find((each): each is Service => each.kind === 'Service' && objectKey(each) === key),
    slicesOf: () => objects.filter((each): each is EndpointSlice => each.kind === 'EndpointSlice'),
    inTheWay,
  })
}

const ips = ['10.1.0.15', 'fd00::15'].map((value) => ({ type: 'IPAddress', value }))
const host = { type: 'Hostname', value: 'waypoint.shop.svc.cluster.local' }

describe('what a Gateway is told', () => {
  const rows: readonly [
    shows: string,
    texts: readonly string[],
    accepted: string,
    programmed: string,
    message: string,
    addresses: GatewayStatus['addresses'],
  ][] = [
    [
      'where it is reached',
      [gateway(), SERVICE, slice(true)],
      'Accepted',
      'Programmed',
      'it is reached at 10.1.0.15, fd00::15, waypoint.shop.svc.cluster.local',
      [...ips, host],
    ],
    [
      'only its host name, if it wants so',
      [gateway('', 'networking.istio.io/address-type: Hostname'), SERVICE, slice(true)],
      'Accepted',
      'Programmed',
      'it is reached at waypoint.shop.svc.cluster.local',
      [host],
    ],
    [
      'only its addresses, if it wants so',
      [gateway('', 'networking.istio.io/address-type: IPAddress'), SERVICE, slice(true)],
      'Accepted',
      'Programmed',
      'it is reached at 10.1.0.15, fd00::15',
      ips,
    ],
    [
      'that its service is missing',
      [gateway()],
      'Accepted',
      'AddressNotUsable',
      'there is no service shop/waypoint',
      undefined,
    ],
    [
      'that its service lacks the port',
      [gateway(), SERVICE.replace('15008', '15009')],
      'Accepted',
      'AddressNotUsable',
      'service shop/waypoint has no port 15008',
      undefined,
    ],
    [
      'that nobody answers',
      [gateway(), SERVICE],
      'Accepted',
      'AddressNotAssigned',
      'no pod behind service shop/waypoint is ready: traffic goes past the waypoint',
      undefined,
    ],
    [
      'that nobody who answers is ready',
      [gateway(), SERVICE, slice(false)],
      'Accepted',
      'AddressNotAssigned',
      'no pod behind service shop/waypoint is ready: traffic goes past the waypoint',
      undefined,
    ],
    [
      'that nobody answers on its port',
      [gateway(), SERVICE, slice(true, 'status-port')],
      'Accepted',
      'AddressNotAssigned',
      'no pod behind service shop/waypoint is ready: traffic goes past the waypoint',
      undefined,
    ],
    [
      'where the service that it names is reached',
      [gateway(', addresses: [{type: Hostname, value: waypoint}]'), SERVICE, slice(true)],
      'Accepted',
      'Programmed',
      'it is reached at 10.1.0.15, fd00::15, waypoint.shop.svc.cluster.local',
      [...ips, host],
    ],
    [
      'that it names no service of the cluster',
      [gateway(', addresses: [{type: Hostname, value: example.com}]')],
      'Accepted',
      'AddressNotUsable',
      'spec.addresses names no service of this cluster',
      undefined,
    ],
    [
      'what its author says, of another network',
      [gateway(', addresses: [{value: 203.0.113.7}]', '', 'istio-remote')],
      'Accepted',
      'Programmed',
      'it is run elsewhere',
      [{ type: 'IPAddress', value: '203.0.113.7' }],
    ],
    [
      'that its author says nothing, of another network',
      [gateway('', '', 'istio-remote')],
      'Accepted',
      'AddressNotAssigned',
      'spec.addresses names none',
      undefined,
    ],
    [
      'what is wrong with it',
      [gateway().replace('HBONE', 'HTTP'), SERVICE, slice(true)],
      'ListenersNotValid',
      'Invalid',
      'no listener has protocol HBONE and port 15008: what has been made for it stays as it is',
      undefined,
    ],
  ]
  it.each(rows)('%s', (_, texts, accepted, programmed, message, addresses) => {
    const status = statusOf(texts)
    expect(status).toMatchObject({
      key: 'shop/waypoint',
      generation: 7,
      conditions: [
        { type: 'Accepted', status: accepted === 'Accepted' ? 'True' : 'False', reason: accepted },
        { type: 'Programmed', status: programmed === 'Programmed' ? 'True' : 'False', reason: programmed, message },
      ],
    })
    expect(status?.addresses).toEqual(addresses)
  })

  it('that somebody else has its name', () => {
    expect(statusOf([gateway(), SERVICE, slice(true)], ['Service shop/waypoint'])?.conditions[1]).toMatchObject({
      status: 'False',
      reason: 'Invalid',
      message: 'Service shop/waypoint is there already, and was not made for this Gateway: it is not touched',
    })
  })

  it('nothing, once a newer controller has it', () => {
    expect(statusOf([gateway('', 'gateway.istio.io/controller-version: "6"')])).toBeUndefined()
  })

  it('of each listener', () => {
    const [listener] = statusOf([gateway().replace('HBONE', 'HTTP')])?.listeners ?? []
    const told = listener?.conditions.map(({ type, status, reason }) => [type, status, reason])
    expect(told).toEqual([
      ['Accepted', 'False', 'UnsupportedProtocol'],
      ['ResolvedRefs', 'True', 'ResolvedRefs'],
      ['Conflicted', 'False', 'NoConflicts'],
      ['Programmed', 'False', 'Invalid'],
    ])
  })
})

describe('the status of a Gateway', () => {
  const ready = statusOf([gateway(), SERVICE, slice(true)])
  const waiting = statusOf([gateway(), SERVICE])
  if (ready === undefined || waiting === undefined) throw new Error('nothing is told')

  it('is written once, and not again', () => {
    const written = editStatus(ready)({}, NOW)
    expect(written?.patch).toMatchObject({
      addresses: [...ips, host],
      conditions: [
        { type: 'Accepted', status: 'True', lastTransitionTime: NOW, observedGeneration: 7 },
        { type: 'Programmed', status: 'True', lastTransitionTime: NOW, observedGeneration: 7 },
      ],
      listeners: [{ name: 'mesh', attachedRoutes: 0, supportedKinds: [] }],
    })
    expect(editStatus(ready)(written?.patch ?? {}, '2026-01-02T00:00:00Z')).toBeUndefined()
  })

  it('keeps its addresses when the last pod goes, and the conditions of others', () => {
    const other = { type: 'Other', status: 'True', reason: 'X', message: '', lastTransitionTime: NOW }
    const before = editStatus(ready)({ conditions: [other] }, NOW)?.patch ?? {}
    const later = '2026-01-02T00:00:00Z'
    const patch = editStatus(waiting)(before, later)?.patch
    expect(patch).not.toHaveProperty('addresses')
    expect(patch?.conditions).toMatchObject([
      { type: 'Other' },
      { type: 'Accepted', lastTransitionTime: NOW },
      { type: 'Programmed', status: 'False', lastTransitionTime: later },
    ])
  })
})
