import { describe, expect, it } from 'vitest'
import { formatConnectTarget } from '#shared/hbone'
import type { Service, SpiffeId, Workload } from '#shared/model'
import { plan, planResolved } from '../../../../src/ztunnel/outbound/plan.ts'
import type { OutboundPlan, ReachingPlan } from '../../../../src/ztunnel/outbound/types.ts'
import { gateway, identity, ip, meshOf, service, socket, workload } from '../../../support/mesh-builder.ts'

const OWN_PORTS = new Set([15_001, 15_006, 15_008])

const client = workload({ name: 'client', addresses: ['10.0.1.1', 'fd00::1:1'] })
const server = workload({
  name: 'server',
  serviceAccount: 'server',
  addresses: ['10.0.2.1', 'fd00::2:1'],
  services: { 'default/web.default.svc.cluster.local': {} },
})
const web = service({ name: 'web', vips: ['10.9.0.1', 'fd99::1'] })
const waypoint = workload({
  name: 'waypoint',
  serviceAccount: 'waypoint',
  addresses: ['10.0.3.1', 'fd00::3:1'],
  services: { 'default/waypoint.default.svc.cluster.local': {} },
})
const waypointService = service({ name: 'waypoint', vips: ['10.9.0.9'], ports: { 15008: 15_008 } })
const viaWaypoint = gateway('default/waypoint.default.svc.cluster.local')

interface Case {
  readonly mesh?: readonly (Workload | Service)[]
  readonly from?: Workload
  readonly to: string
  readonly source?: string
  readonly network?: string
  readonly random?: number
}

function planFor({
  mesh = [],
  from = client,
  to,
  source = '10.0.1.1:40000',
  network = '',
  random = 0,
}: Case): OutboundPlan {
  const view = meshOf([from, ...mesh])
  const request = {
    workload: from,
    source: socket(source),
    originalDestination: socket(to),
    network,
    ownPorts: OWN_PORTS,
  }
  return plan(view, request, { random: () => random })
}

/** The plan in one line: kind, next hop, authority, accepted identities, and what it is about. */
function line(plan: OutboundPlan): string {
  switch (plan.kind) {
    case 'refuse':
      return `refuse: ${plan.reason}`
    case 'resolve':
      return `resolve ${plan.hostname} ${plan.families.join(',')}`
    case 'double-tunnel': {
      const { peer, behind, acceptedPeers } = plan
      const [outer, inner] = [acceptedPeers, behind.acceptedPeers].map(names)
      return `gateway ${peer.ip}:${peer.port} as ${outer} for ${formatConnectTarget(behind.authority)} as ${inner || 'nobody'}${about(plan)}`
    }
    case 'passthrough':
      return `plain to ${plan.target.ip}:${plan.target.port}${about(plan)}`
    case 'tunnel': {
      const { hop, peer, authority, acceptedPeers } = plan
      const asked = authority.kind === 'address' ? authority.ip : authority.hostname
      return `${hop} ${peer.ip}:${peer.port} for ${asked}:${authority.port} as ${names(acceptedPeers)}${about(plan)}`
    }
  }
}

function names(ids: readonly SpiffeId[]): string {
  return ids.map((id) => id.replace('spiffe://cluster.local/ns/', '').replace('/sa/', '/')).join(' ')
}

function about({ destination }: ReachingPlan): string {
  const { service, servicePort, workload } = destination
  return `${service ? ` (${service.name}:${servicePort})` : ''}${workload ? ` [${workload.name}]` : ''}`
}

describe('where an outbound connection goes', () => {
  it.each<[string, Case, string]>([
    [
      'to the tunnel’s own port on loopback: refused, it would call itself',
      { to: '127.0.0.1:15001' },
      'refuse: attempted recursive call to ourselves',
    ],
    [
      'to the tunnel’s own port on IPv6 loopback: refused',
      { to: '[::1]:15008' },
      'refuse: attempted recursive call to ourselves',
    ],
    ['to another port on loopback: as it is', { to: '127.0.0.1:8080' }, 'plain to 127.0.0.1:8080'],
    ['to the tunnel’s port at another address: as it is', { to: '192.0.2.1:15001' }, 'plain to 192.0.2.1:15001'],
    ['to something unknown: as it is', { to: '192.0.2.1:443' }, 'plain to 192.0.2.1:443'],

    [
      'to a service: tunnel to its endpoint with the mapped port',
      { mesh: [server, web], to: '10.9.0.1:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server (web:80) [server]',
    ],
    [
      'to a service by IPv6: the endpoint’s IPv6 address',
      { mesh: [server, web], to: '[fd99::1]:80' },
      'endpoint fd00::2:1:15008 for fd00::2:1:8080 as default/server (web:80) [server]',
    ],
    [
      'to a service by IPv6 whose endpoint has only IPv4: the other family',
      { mesh: [{ ...server, addresses: [ip('10.0.2.1')] }, web], to: '[fd99::1]:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server (web:80) [server]',
    ],
    [
      'to a service with further server identities: those are accepted first, other names are not',
      {
        mesh: [server, { ...web, subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/alias', 'web.example'] }],
        to: '10.9.0.1:80',
      },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as shop/alias default/server (web:80) [server]',
    ],
    [
      'to a service whose endpoint is plain TCP',
      { mesh: [{ ...server, protocol: 'TCP' }, web], to: '10.9.0.1:80' },
      'plain to 10.0.2.1:8080 (web:80) [server]',
    ],
    [
      'to a service without endpoints: refused',
      { mesh: [web], to: '10.9.0.1:80' },
      'refuse: no healthy upstream: 10.9.0.1:80',
    ],
    [
      'to a port that the service does not have: refused',
      { mesh: [server, web], to: '10.9.0.1:81' },
      'refuse: no healthy upstream: 10.9.0.1:81',
    ],
    [
      'to a service that is passed through: as it is, without a destination',
      {
        mesh: [
          server,
          { ...web, loadBalancer: { mode: 'Passthrough', routingPreferences: [], healthPolicy: 'OnlyHealthy' } },
        ],
        to: '10.9.0.1:80',
      },
      'plain to 10.9.0.1:80',
    ],
    [
      'to a service that this namespace may not see: as to something unknown',
      { mesh: [server, { ...web, namespace: 'other', visibility: 'Namespace' }], to: '10.9.0.1:80' },
      'plain to 10.9.0.1:80',
    ],
    [
      'to a service’s CIDR address',
      { mesh: [server, service({ name: 'web', cidrVips: ['/10.9.0.0/24'] })], to: '10.9.0.77:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server (web:80) [server]',
    ],

    [
      'to a workload’s address: tunnel with the port as it is, and only its own identity',
      { mesh: [server, { ...web, subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/alias'] }], to: '10.0.2.1:8080' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server [server]',
    ],
    [
      'to a plain workload’s address',
      { mesh: [{ ...server, protocol: 'TCP' }], to: '10.0.2.1:8080' },
      'plain to 10.0.2.1:8080 [server]',
    ],
    [
      'to the address of a host-network workload: it is the node’s, so as it is',
      { mesh: [{ ...server, networkMode: 'HostNetwork' }], to: '10.0.2.1:8080' },
      'plain to 10.0.2.1:8080',
    ],
    [
      'to a host-network endpoint of a service: tunnel',
      { mesh: [{ ...server, networkMode: 'HostNetwork' }, web], to: '10.9.0.1:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server (web:80) [server]',
    ],
    [
      'to a workload on the same node: through its tunnel like any other',
      { mesh: [{ ...server, node: client.node }], to: '10.0.2.1:8080' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server [server]',
    ],
    [
      'to a workload without identity: refused, nobody could prove to be it',
      { mesh: [{ ...server, serviceAccount: '' }], to: '10.0.2.1:8080' },
      'refuse: no identity is known for workload Kubernetes//Pod/default/server',
    ],
  ])('%s', (_, input, expected) => {
    expect(line(planFor(input))).toBe(expected)
  })
})

describe('waypoints', () => {
  const guarded = { ...web, waypoint: viaWaypoint }
  const guardedPod = { ...server, waypoint: viaWaypoint }
  const through = 'waypoint 10.0.3.1:15008'
  it.each<[string, Case, string]>([
    [
      'a service with a waypoint: tunnel to it for the original address',
      { mesh: [server, guarded, waypoint, waypointService], to: '10.9.0.1:80' },
      `${through} for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]`,
    ],
    [
      'a service with a waypoint, by IPv6: the waypoint’s IPv6 address',
      { mesh: [server, guarded, waypoint, waypointService], to: '[fd99::1]:80' },
      'waypoint fd00::3:1:15008 for fd99::1:80 as default/waypoint (web:80) [waypoint]',
    ],
    [
      'the waypoint may sit at a workload’s address, on the port that the reference names',
      { mesh: [server, { ...web, waypoint: gateway('/10.0.3.1', 15_009) }, waypoint], to: '10.9.0.1:80' },
      'waypoint 10.0.3.1:15009 for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]',
    ],
    [
      'the waypoint may be named by a workload’s host name',
      {
        mesh: [server, { ...web, waypoint: gateway('default/wp.example') }, { ...waypoint, hostname: 'wp.example' }],
        to: '10.9.0.1:80',
      },
      `${through} for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]`,
    ],
    [
      'the waypoint may sit at a service’s address',
      { mesh: [server, { ...web, waypoint: gateway('/10.9.0.9') }, waypoint, waypointService], to: '10.9.0.1:80' },
      `${through} for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]`,
    ],
    [
      'at an IPv6 address: its IPv6 one, whatever the client used',
      {
        mesh: [
          server,
          { ...web, waypoint: gateway('/fd99::9') },
          waypoint,
          { ...waypointService, vips: [{ network: '', ip: ip('fd99::9') }] },
        ],
        to: '10.9.0.1:80',
      },
      'waypoint fd00::3:1:15008 for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]',
    ],
    [
      'by the address of a service that the client may not see: unknown',
      {
        mesh: [
          server,
          { ...web, waypoint: gateway('/10.9.0.9') },
          { ...waypoint, namespace: 'elsewhere' },
          { ...waypointService, namespace: 'elsewhere', visibility: 'Namespace' },
        ],
        to: '10.9.0.1:80',
      },
      'refuse: unknown waypoint: /10.9.0.9',
    ],
    [
      'the waypoint service’s identities are accepted too',
      {
        mesh: [
          server,
          guarded,
          waypoint,
          { ...waypointService, subjectAltNames: ['spiffe://cluster.local/ns/istio/sa/wp'] },
        ],
        to: '10.9.0.1:80',
      },
      `${through} for 10.9.0.1:80 as istio/wp default/waypoint (web:80) [waypoint]`,
    ],
    [
      'a waypoint service that clients elsewhere may not see is found by its host name all the same',
      {
        mesh: [
          server,
          { ...guarded, waypoint: gateway('infra/waypoint.infra') },
          {
            ...waypoint,
            services: new Map([['infra/waypoint.infra', []]]),
          },
          { ...waypointService, namespace: 'infra', hostname: 'waypoint.infra', visibility: 'Namespace' },
        ],
        to: '10.9.0.1:80',
      },
      `${through} for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]`,
    ],
    [
      'a waypoint that nobody knows: refused, never around it',
      { mesh: [server, guarded], to: '10.9.0.1:80' },
      'refuse: unknown waypoint: default/waypoint.default.svc.cluster.local',
    ],
    [
      'a waypoint without endpoints: refused',
      { mesh: [server, guarded, waypointService], to: '10.9.0.1:80' },
      'refuse: unknown waypoint: default/waypoint.default.svc.cluster.local',
    ],
    [
      'a waypoint with a host name and no address: to be looked up',
      {
        mesh: [
          server,
          { ...web, waypoint: gateway('default/wp.example') },
          { ...waypoint, hostname: 'wp.example', addresses: [] },
        ],
        to: '10.9.0.1:80',
      },
      'resolve wp.example 4,6',
    ],
    [
      'a waypoint service that lacks the HBONE port: refused',
      { mesh: [server, guarded, waypoint, { ...waypointService, ports: [] }], to: '10.9.0.1:80' },
      'refuse: unknown waypoint: default/waypoint.default.svc.cluster.local',
    ],
    [
      'a waypoint service that lacks the HBONE port, but whose endpoint unwraps tunnels itself',
      {
        mesh: [
          server,
          guarded,
          { ...waypoint, applicationTunnel: { protocol: 'PROXY', port: 15_088 } },
          { ...waypointService, ports: [] },
        ],
        to: '10.9.0.1:80',
      },
      `${through} for 10.9.0.1:80 as default/waypoint (web:80) [waypoint]`,
    ],
    [
      'a service without a waypoint: its endpoint’s own waypoint does not count',
      { mesh: [guardedPod, web, waypoint, waypointService], to: '10.9.0.1:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server (web:80) [server]',
    ],
    [
      'a workload with a waypoint, by its address: tunnel to the waypoint',
      { mesh: [guardedPod, waypoint, waypointService], to: '10.0.2.1:8080' },
      `${through} for 10.0.2.1:8080 as default/waypoint [waypoint]`,
    ],
    [
      'a workload whose waypoint is unknown: refused',
      { mesh: [guardedPod], to: '10.0.2.1:8080' },
      'refuse: unknown waypoint: default/waypoint.default.svc.cluster.local',
    ],
    [
      'the waypoint itself reaches its workload directly',
      { from: waypoint, source: '10.0.3.1:4', mesh: [guardedPod, waypointService], to: '10.0.2.1:8080' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server [server]',
    ],
    [
      'the waypoint’s identity at another address is not the waypoint',
      { from: waypoint, source: '10.0.1.1:4', mesh: [guardedPod, waypointService], to: '10.0.2.1:8080' },
      `${through} for 10.0.2.1:8080 as default/waypoint [waypoint]`,
    ],
    [
      'the waypoint’s address with another identity is not the waypoint',
      {
        from: workload({ name: 'thief', addresses: ['10.0.3.1'] }),
        source: '10.0.3.1:4',
        mesh: [guardedPod, waypoint, waypointService],
        to: '10.0.2.1:8080',
      },
      `${through} for 10.0.2.1:8080 as default/waypoint [waypoint]`,
    ],
  ])('%s', (_, input, expected) => {
    expect(line(planFor(input))).toBe(expected)
  })

  it('draws among weighted waypoints, and falls back to the one waypoint when no weight is set', () => {
    const other = workload({ name: 'other', serviceAccount: 'other', addresses: ['10.0.3.2'] })
    const weighted = (weights: readonly [number, number]): Service => ({
      ...guarded,
      weightedWaypoints: [
        { destination: gateway('/10.0.3.1'), weight: weights[0] },
        { destination: gateway('/10.0.3.2'), weight: weights[1] },
      ],
    })
    const hopFor = (weights: readonly [number, number], random: number): string =>
      line(planFor({ mesh: [server, weighted(weights), waypoint, other, waypointService], to: '10.9.0.1:80', random }))
    expect(hopFor([1, 3], 0.24)).toContain('[waypoint]')
    expect(hopFor([1, 3], 0.26)).toContain('[other]')
    expect(hopFor([0, 0], 0.9)).toContain('[waypoint]')
  })

  it('refuses when the drawn waypoint is unknown, without drawing again', () => {
    const weightedWaypoints = [
      { destination: gateway('/10.0.3.99'), weight: 1 },
      { destination: gateway('/10.0.3.1'), weight: 99 },
    ]
    const mesh = [server, { ...guarded, weightedWaypoints }, waypoint]
    expect(line(planFor({ mesh, to: '10.9.0.1:80', random: 0 }))).toBe('refuse: unknown waypoint: /10.0.3.99')
  })
})

describe('an address that is both a service’s and a workload’s', () => {
  const twin = workload({ name: 'twin', serviceAccount: 'twin', addresses: ['10.9.0.1'], waypoint: viaWaypoint })
  it.each<[string, Case, string]>([
    [
      'the service’s waypoint is not used, its endpoints are',
      { mesh: [server, twin, { ...web, waypoint: gateway('/10.0.3.99') }], to: '10.9.0.1:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server (web:80) [server]',
    ],
    [
      'an endpoint’s own waypoint does apply',
      { mesh: [{ ...server, waypoint: viaWaypoint }, twin, web, waypoint, waypointService], to: '10.9.0.1:80' },
      'waypoint 10.0.3.1:15008 for 10.9.0.1:80 as default/waypoint [waypoint]',
    ],
    ['without an endpoint: as it is', { mesh: [twin, web], to: '10.9.0.1:80' }, 'plain to 10.9.0.1:80'],
  ])('%s', (_, input, expected) => {
    expect(line(planFor(input))).toBe(expected)
  })
})

describe('network gateways', () => {
  const id = (text: string): string => identity(text)
  const gatewayPod = workload({
    name: 'gw',
    namespace: 'istio',
    serviceAccount: 'gw',
    network: 'far',
    addresses: ['10.0.8.1', 'fd00::8:1'],
    services: { 'istio/gw.istio.svc.cluster.local': {} },
  })
  const gatewayService = service({
    name: 'gw',
    namespace: 'istio',
    vips: ['far/10.9.8.8'],
    ports: { 15008: 15_108 },
    subjectAltNames: [id('istio/gw-alias')],
  })
  const byName = gateway('istio/gw.istio.svc.cluster.local')
  const far = { ...server, network: 'far', networkGateway: byName }
  const named = { ...web, subjectAltNames: [id('default/web-sa')] }
  const farWaypoint = { ...waypoint, network: 'far', networkGateway: byName }
  const waypointNamed = { ...waypointService, subjectAltNames: [id('default/wp-sa')] }
  const all = [far, named, gatewayPod, gatewayService]

  it.each<[string, Case, string]>([
    [
      'an endpoint of another network, gateway by host name: a double tunnel that accepts inside only the names of the service',
      { mesh: all, to: '10.9.0.1:80' },
      'gateway 10.0.8.1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'a service without names of its own: nobody is accepted inside',
      { mesh: [far, web, gatewayPod, gatewayService], to: '10.9.0.1:80' },
      'gateway 10.0.8.1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as nobody (web:80) [gw]',
    ],
    [
      'the gateway’s address of the family that the client used',
      { mesh: all, to: '[fd99::1]:80' },
      'gateway fd00::8:1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'a gateway by the address of its service',
      {
        mesh: [{ ...far, networkGateway: gateway('far/10.9.8.8') }, named, gatewayPod, gatewayService],
        to: '10.9.0.1:80',
      },
      'gateway 10.0.8.1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'a gateway by its own address: the port as it is, its own identity',
      { mesh: [{ ...far, networkGateway: gateway('far/10.0.8.1') }, named, gatewayPod], to: '10.9.0.1:80' },
      'gateway 10.0.8.1:15008 as istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'a gateway workload by host name when no service has it',
      {
        mesh: [
          { ...far, networkGateway: gateway('istio/gw.example') },
          named,
          { ...gatewayPod, hostname: 'gw.example', services: new Map() },
        ],
        to: '10.9.0.1:80',
      },
      'gateway 10.0.8.1:15008 as istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'a gateway without an address: looked up by its host name',
      {
        mesh: [
          { ...far, networkGateway: gateway('istio/gw.example') },
          named,
          { ...gatewayPod, addresses: [], hostname: 'gw.example', services: new Map() },
        ],
        to: '10.9.0.1:80',
      },
      'resolve gw.example 4,6',
    ],
    [
      'an unknown gateway: refused in Istio’s words',
      { mesh: [far, named], to: '10.9.0.1:80' },
      'refuse: unknown network gateway: istio/gw.istio.svc.cluster.local',
    ],
    [
      'a gateway service without endpoints: refused',
      { mesh: [far, named, gatewayService], to: '10.9.0.1:80' },
      'refuse: unknown network gateway: istio/gw.istio.svc.cluster.local',
    ],
    [
      'a gateway service without that port: refused, even with an application tunnel',
      {
        mesh: [
          far,
          named,
          { ...gatewayPod, applicationTunnel: { protocol: 'NONE', port: 7 } },
          { ...gatewayService, ports: [{ servicePort: 80, targetPort: 80 }] },
        ],
        to: '10.9.0.1:80',
      },
      'refuse: unknown network gateway: istio/gw.istio.svc.cluster.local',
    ],
    [
      'an endpoint that is a plain TCP one behind a gateway: the double tunnel all the same',
      { mesh: [{ ...far, protocol: 'TCP' }, named, gatewayPod, gatewayService], to: '10.9.0.1:80' },
      'gateway 10.0.8.1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'an endpoint with neither address nor host name behind a gateway',
      { mesh: [{ ...far, addresses: [] }, named, gatewayPod, gatewayService], to: '10.9.0.1:80' },
      'gateway 10.0.8.1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as default/web-sa (web:80) [gw]',
    ],
    [
      'a service’s waypoint of another network: the names of the waypoint’s service, the authority of the service asked for',
      {
        mesh: [server, { ...named, waypoint: viaWaypoint }, farWaypoint, waypointNamed, gatewayPod, gatewayService],
        to: '10.9.0.1:80',
      },
      'gateway 10.0.8.1:15108 as istio/gw-alias istio/gw for web.default.svc.cluster.local:80 as default/wp-sa (web:80) [gw]',
    ],
    [
      'a workload’s own waypoint of another network: refused, only services are known across networks',
      {
        mesh: [{ ...server, waypoint: viaWaypoint }, farWaypoint, waypointNamed, gatewayPod, gatewayService],
        to: '10.0.2.1:80',
      },
      'refuse: workload Kubernetes//Pod/default/waypoint is on network "far" and was not addressed as a service',
    ],
    [
      'an endpoint on the pod’s own network is preferred when the network comes first',
      {
        mesh: [
          ...all,
          {
            ...named,
            loadBalancer: { mode: 'Failover', routingPreferences: ['Network'], healthPolicy: 'OnlyHealthy' },
          },
          { ...server, uid: 'near', name: 'near', addresses: [ip('10.0.2.9')] },
        ],
        to: '10.9.0.1:80',
        random: 0.99,
      },
      'endpoint 10.0.2.9:15008 for 10.0.2.9:8080 as default/web-sa default/server (web:80) [near]',
    ],
  ])('%s', (_, input, expected) => {
    expect(line(planFor(input))).toBe(expected)
  })
})

describe('networks', () => {
  const far = { ...server, network: 'far' }
  const abroad = { ...client, network: 'near' }
  it.each<[string, Case, string]>([
    [
      'an endpoint on another network without gateway: refused',
      { mesh: [far, web], to: '10.9.0.1:80' },
      'refuse: workload Kubernetes//Pod/default/server is on network "far", which has no network gateway',
    ],
    [
      'a waypoint on another network: refused',
      {
        mesh: [server, { ...web, waypoint: gateway('default/wp') }, { ...waypoint, network: 'far', hostname: 'wp' }],
        to: '10.9.0.1:80',
      },
      'refuse: workload Kubernetes//Pod/default/waypoint is on network "far", which has no network gateway',
    ],
    [
      'the same address on another network is another workload',
      { mesh: [far], to: '10.0.2.1:8080' },
      'plain to 10.0.2.1:8080',
    ],
    [
      'the address is looked up in the pod’s network',
      { from: abroad, network: 'near', mesh: [{ ...server, network: 'near' }], to: '10.0.2.1:8080' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:8080 as default/server [server]',
    ],
    [
      'a service of the pod’s network only, without endpoints: as it is',
      { from: abroad, mesh: [{ ...web, vips: [{ network: 'near', ip: ip('10.9.0.1') }] }], to: '10.9.0.1:80' },
      'plain to 10.9.0.1:80',
    ],
  ])('%s', (_, input, expected) => {
    expect(line(planFor(input))).toBe(expected)
  })
})

describe('namespaces', () => {
  const hidden = service({ name: 'web', namespace: 'shop', vips: ['10.9.0.1'], visibility: 'Namespace' })
  it('lets clients elsewhere know nothing of a service that is visible only in its namespace', () => {
    expect(line(planFor({ mesh: [hidden], to: '10.9.0.1:80' }))).toBe('plain to 10.9.0.1:80')
    const from = workload({ name: 'client', namespace: 'shop', addresses: ['10.0.1.1'] })
    expect(line(planFor({ from, mesh: [hidden], to: '10.9.0.1:80' }))).toBe('refuse: no healthy upstream: 10.9.0.1:80')
  })
})

describe('ports and addresses of the picked endpoint', () => {
  const key = 'default/web.default.svc.cluster.local'
  const mapped = (ports: Record<number, number>): Workload =>
    workload({ name: 'server', serviceAccount: 'server', addresses: ['10.0.2.1'], services: { [key]: ports } })
  it.each<[string, Case, string]>([
    [
      'the endpoint’s own mapping wins over the service’s',
      { mesh: [mapped({ 80: 9000 }), web], to: '10.9.0.1:80' },
      'endpoint 10.0.2.1:15008 for 10.0.2.1:9000 as default/server (web:80) [server]',
    ],
    [
      'a named port that the endpoint does not say: no endpoint',
      { mesh: [mapped({}), { ...web, ports: [{ servicePort: 80, targetPort: 0 }] }], to: '10.9.0.1:80' },
      'refuse: no healthy upstream: 10.9.0.1:80',
    ],
    [
      'an endpoint that maps the port to 0: refused, 0 cannot be dialled',
      { mesh: [mapped({ 80: 0 }), web], to: '10.9.0.1:80' },
      'refuse: no port 80 of service default/web.default.svc.cluster.local at Kubernetes//Pod/default/server',
    ],
    [
      'no address but a host name: to be looked up, the client’s family first',
      {
        mesh: [
          { ...mapped({}), addresses: [], hostname: 'db.example' },
          { ...web, vips: [{ network: '', ip: ip('fd99::1') }] },
        ],
        to: '[fd99::1]:80',
      },
      'resolve db.example 6,4',
    ],
    [
      'a service of one family: only that family is looked up',
      {
        mesh: [
          { ...mapped({}), addresses: [], hostname: 'db.example' },
          { ...web, ipFamilies: 'IPv6' },
        ],
        to: '10.9.0.1:80',
      },
      'resolve db.example 6',
    ],
    [
      'a service of one family whose endpoint has only the other: refused',
      { mesh: [mapped({}), { ...web, ipFamilies: 'IPv6' }], to: '10.9.0.1:80' },
      'refuse: no usable address for workload Kubernetes//Pod/default/server',
    ],
    [
      'neither address nor host name: no endpoint',
      { mesh: [{ ...mapped({}), addresses: [] }, web], to: '10.9.0.1:80' },
      'refuse: no healthy upstream: 10.9.0.1:80',
    ],
  ])('%s', (_, input, expected) => {
    expect(line(planFor(input))).toBe(expected)
  })

  it('finishes a plan with the looked-up address', () => {
    const named = { ...mapped({ 80: 9000 }), addresses: [], hostname: 'db.example' }
    const first = planFor({ mesh: [named, web], to: '10.9.0.1:80' })
    expect(first.kind).toBe('resolve')
    if (first.kind !== 'resolve') return
    expect(planResolved(first.unresolved, ip('192.0.2.7'))).toEqual({
      kind: 'tunnel',
      hop: 'endpoint',
      peer: socket('192.0.2.7:15008'),
      acceptedPeers: [identity('default/server')],
      authority: { kind: 'address', ...socket('192.0.2.7:9000') },
      destination: { service: web, servicePort: 80, workload: named },
      hopService: web,
    } satisfies OutboundPlan)
  })
})
