import { describe, expect, it } from 'vitest'
import type { ConnectTarget } from '#shared/hbone'
import type { Service, Workload } from '#shared/model'
import { parseIp } from '#shared/net'
import { planPlaintext, planTunnelled } from '../../../../src/ztunnel/inbound/plan.ts'
import type { InboundPlan } from '../../../../src/ztunnel/inbound/types.ts'
import { gateway, ip, meshOf, service, socket, workload } from '../../../support/mesh-builder.ts'

const OWN_PORTS = new Set([15_001, 15_006, 15_008])
const WEB = 'default/web.default.svc.cluster.local'
const web = service({ name: 'web', vips: ['10.9.0.1'] })
const server = workload({ name: 'server', addresses: ['10.0.2.1', 'fd00::2:1'], services: { [WEB]: {} } })
const other = workload({ name: 'other', addresses: ['10.0.2.2'] })

interface Case {
  readonly mesh?: readonly (Workload | Service)[]
  readonly at?: Workload
  readonly acceptedOn?: string
  readonly source?: string
  readonly target: string
  readonly forwardedHost?: string
  readonly isAppTunnelOnLoopback?: boolean
  readonly network?: string
}

function tunnelled({ mesh = [web], at = server, ...input }: Case): InboundPlan {
  return planTunnelled(meshOf([at, ...mesh]), {
    workload: at,
    network: input.network ?? '',
    source: socket(input.source ?? '10.0.1.1:40000'),
    acceptedOn: socket(input.acceptedOn ?? '10.0.2.1:15008'),
    target: targetOf(input.target),
    forwardedHost: input.forwardedHost,
    ownPorts: OWN_PORTS,
    isAppTunnelOnLoopback: input.isAppTunnelOnLoopback ?? false,
  })
}

function targetOf(text: string): ConnectTarget {
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, colon)
  const address = parseIp(host.replace(/[[\]]/g, ''))
  const port = Number(text.slice(colon + 1))
  return address === undefined ? { kind: 'hostname', hostname: host, port } : { kind: 'address', ip: address, port }
}

/** The plan in one line: what policy sees, where and from where it is dialled, what it counts for. */
function line(plan: InboundPlan): string {
  if (plan.kind === 'refuse') return `${plan.status} ${plan.reason}`
  const { target, dial, sourceIp, service, proxiedDestination: proxied } = plan
  const dialled = dial === target ? '' : ` at ${dial.ip}:${dial.port}`
  const header = proxied === undefined ? '' : `, PROXY ${proxied.ip}:${proxied.port}`
  return `${target.ip}:${target.port}${dialled} from ${sourceIp ?? 'anywhere'}${service ? ` (${service.name})` : ''}${header}`
}

describe('where a tunnelled connection goes', () => {
  const tunnelTo = (protocol: 'PROXY' | 'NONE', port: number): Workload => ({
    ...server,
    applicationTunnel: { protocol, port },
  })
  it.each<[string, Case, string]>([
    [
      'to the pod’s own address: there, from the client’s',
      { target: '10.0.2.1:8080' },
      '10.0.2.1:8080 from 10.0.1.1 (web)',
    ],
    [
      'to the pod’s own IPv6 address',
      { target: '[fd00::2:1]:8080', acceptedOn: '[fd00::2:1]:15008', source: '[fd00::1:1]:4' },
      'fd00::2:1:8080 from fd00::1:1 (web)',
    ],
    [
      'to another address: not meant',
      { target: '10.0.2.2:8080', mesh: [other] },
      '400 ip mismatch: 10.0.2.1 != 10.0.2.2',
    ],
    [
      'to another address of the same pod: not the one the tunnel was accepted on',
      { target: '[fd00::2:1]:8080' },
      '400 ip mismatch: 10.0.2.1 != fd00::2:1',
    ],
    ['to an unknown address: not meant', { target: '192.0.2.1:80' }, '400 ip mismatch: 10.0.2.1 != 192.0.2.1'],
    [
      'from the pod’s own address: not kept, the kernel would not take it',
      { target: '10.0.2.1:8080', source: '10.0.2.1:4' },
      '10.0.2.1:8080 from anywhere (web)',
    ],
    [
      'to one of the tunnel’s own ports: refused',
      { target: '10.0.2.1:15008' },
      '503 attempted recursive call to ourselves',
    ],
    [
      'to a port that no service leads to: counted for none',
      { target: '10.0.2.1:9999' },
      '10.0.2.1:9999 from 10.0.1.1',
    ],

    [
      'to a service by name: the mapped port',
      { target: 'web.default.svc.cluster.local:80' },
      '10.0.2.1:8080 from 10.0.1.1 (web)',
    ],
    [
      'to a service by name that this workload maps itself',
      {
        at: { ...server, services: new Map([[WEB, [{ servicePort: 80, targetPort: 9000 }]]]) },
        target: 'web.default.svc.cluster.local:80',
      },
      '10.0.2.1:9000 from 10.0.1.1 (web)',
    ],
    [
      'to a service by name of which this workload is no endpoint',
      { at: { ...server, services: new Map() }, target: 'web.default.svc.cluster.local:80' },
      '10.0.2.1:8080 from 10.0.1.1 (web)',
    ],
    [
      'to an unknown service: refused',
      { target: 'nope.example:80' },
      '503 no service or workload for hostname: nope.example',
    ],
    [
      'to a port that the service lacks: refused',
      { target: 'web.default.svc.cluster.local:81' },
      '503 requested service web.default.svc.cluster.local:81 found, but cannot resolve port',
    ],
    [
      'to a named port that this workload does not say: refused',
      { mesh: [{ ...web, ports: [{ servicePort: 80, targetPort: 0 }] }], target: 'web.default.svc.cluster.local:80' },
      '503 requested service web.default.svc.cluster.local:80 found, but cannot resolve port',
    ],
    [
      'to a service whose port leads to the tunnel itself: refused',
      {
        mesh: [{ ...web, ports: [{ servicePort: 80, targetPort: 15_001 }] }],
        target: 'web.default.svc.cluster.local:80',
      },
      '503 attempted recursive call to ourselves',
    ],
    [
      'to a service that is hidden from this namespace: refused',
      {
        mesh: [service({ name: 'web', namespace: 'shop', hostname: 'w.example', visibility: 'Namespace' })],
        target: 'w.example:80',
      },
      '503 no service or workload for hostname: w.example',
    ],

    [
      'the port of an application tunnel replaces the one asked for, and policy sees it',
      { at: tunnelTo('NONE', 15_088), target: '10.0.2.1:8080' },
      '10.0.2.1:15088 from 10.0.1.1 (web)',
    ],
    [
      'an application tunnel without port keeps it',
      { at: tunnelTo('NONE', 0), target: '10.0.2.1:8080' },
      '10.0.2.1:8080 from 10.0.1.1 (web)',
    ],
    [
      'an application tunnel takes any address and is told it',
      { at: tunnelTo('PROXY', 15_088), target: '192.0.2.1:443' },
      '10.0.2.1:15088 from 10.0.1.1, PROXY 192.0.2.1:443',
    ],
    [
      'an application tunnel may be dialled on loopback, from loopback; policy still sees the pod’s address',
      { at: tunnelTo('PROXY', 15_088), target: '10.0.2.1:8080', isAppTunnelOnLoopback: true },
      '10.0.2.1:15088 at 127.0.0.1:15088 from 127.0.0.1 (web), PROXY 10.0.2.1:8080',
    ],
    [
      'one that does not speak PROXY is not dialled on loopback',
      { at: tunnelTo('NONE', 15_088), target: '10.0.2.1:8080', isAppTunnelOnLoopback: true },
      '10.0.2.1:15088 from 10.0.1.1 (web)',
    ],
    [
      'a PROXY header names the service’s address when the service was asked for by name',
      { at: tunnelTo('PROXY', 15_088), target: 'web.default.svc.cluster.local:80' },
      '10.0.2.1:15088 from 10.0.1.1 (web), PROXY 10.9.0.1:80',
    ],
    [
      '… the one of our network, IPv4 first',
      {
        at: tunnelTo('PROXY', 15_088),
        network: 'near',
        mesh: [service({ name: 'web', vips: ['10.9.0.1', 'near/fd99::1', 'near/10.9.0.2'] })],
        target: 'web.default.svc.cluster.local:80',
      },
      '10.0.2.1:15088 from 10.0.1.1 (web), PROXY 10.9.0.2:80',
    ],
    [
      'a service without address cannot be named in a PROXY header: refused',
      { at: tunnelTo('PROXY', 15_088), mesh: [{ ...web, vips: [] }], target: 'web.default.svc.cluster.local:80' },
      '503 service web.default.svc.cluster.local has no address to name in a PROXY header',
    ],
    [
      'the tunnel’s own ports are refused before an application tunnel replaces them',
      { at: tunnelTo('PROXY', 15_088), target: '10.0.2.1:15001' },
      '503 attempted recursive call to ourselves',
    ],
  ])('%s', (_, input, expected) => {
    expect(line(tunnelled(input))).toBe(expected)
  })
})

describe('a pod that is a waypoint', () => {
  const WAYPOINT = 'default/waypoint.default.svc.cluster.local'
  const waypoint = workload({ name: 'waypoint', addresses: ['10.0.2.1'], services: { [WAYPOINT]: {} } })
  const waypointService = service({ name: 'waypoint', ports: { 15008: 15_008 } })
  it.each<[string, Case, string]>([
    [
      'takes connections for a service that names its service',
      { at: waypoint, mesh: [{ ...web, waypoint: gateway(WAYPOINT) }, waypointService], target: '10.9.0.1:80' },
      '10.0.2.1:80 from 10.0.1.1',
    ],
    [
      'takes connections for a workload that names its address',
      { at: waypoint, mesh: [{ ...other, waypoint: gateway('/10.0.2.1') }], target: '10.0.2.2:80' },
      '10.0.2.1:80 from 10.0.1.1',
    ],
    [
      'takes none for a service that names another waypoint',
      { at: waypoint, mesh: [{ ...web, waypoint: gateway('/10.0.2.2') }, other], target: '10.9.0.1:80' },
      '400 ip mismatch: 10.0.2.1 != 10.9.0.1',
    ],
    [
      'takes none for a service that names an unknown waypoint',
      { at: waypoint, mesh: [{ ...web, waypoint: gateway('/10.0.2.9') }], target: '10.9.0.1:80' },
      '400 ip mismatch: 10.0.2.1 != 10.9.0.1',
    ],
    [
      'takes none for a service that names it only as a weighted waypoint',
      {
        at: waypoint,
        mesh: [{ ...web, weightedWaypoints: [{ destination: gateway(WAYPOINT), weight: 1 }] }, waypointService],
        target: '10.9.0.1:80',
      },
      '400 ip mismatch: 10.0.2.1 != 10.9.0.1',
    ],
  ])('%s', (_, input, expected) => {
    expect(line(tunnelled(input))).toBe(expected)
  })
})

describe('the service that a connection is counted for', () => {
  const shop = service({ name: 'shop' })
  const both = workload({
    name: 'server',
    addresses: ['10.0.2.1'],
    services: { [WEB]: {}, 'default/shop.default.svc.cluster.local': { 80: 9000 } },
  })
  it.each<[string, Case, string]>([
    [
      'is the one that the client forwarded',
      { at: both, mesh: [web, shop], target: '10.0.2.1:8080', forwardedHost: shop.hostname },
      'shop',
    ],
    [
      'is not a forwarded one of which this workload is no endpoint',
      { at: server, mesh: [web, shop], target: '10.0.2.1:8080', forwardedHost: shop.hostname },
      'web',
    ],
    ['is the first whose target port it is', { at: both, mesh: [web, shop], target: '10.0.2.1:8080' }, 'web'],
    [
      'is the one that this workload maps to the port',
      { at: both, mesh: [web, shop], target: '10.0.2.1:9000' },
      'shop',
    ],
  ])('%s', (_, input, expected) => {
    const plan = tunnelled(input)
    expect(plan.kind === 'deliver' ? plan.service?.name : plan).toBe(expected)
  })
})

describe('where a plaintext connection goes', () => {
  const plaintext = (to: string, source = '10.0.1.1:40000'): string =>
    line(
      planPlaintext(meshOf([server, web]), {
        workload: server,
        source: socket(source),
        originalDestination: socket(to),
        ownPorts: OWN_PORTS,
      }),
    )
  it('goes where it wanted, from the client’s address', () => {
    expect(plaintext('10.0.2.1:8080')).toBe('10.0.2.1:8080 from 10.0.1.1 (web)')
  })
  it('does not keep the address of the pod itself', () => {
    expect(plaintext('10.0.2.1:8080', '10.0.2.1:4')).toBe('10.0.2.1:8080 from anywhere (web)')
  })
  it('is refused at the tunnel’s own ports', () => {
    expect(plaintext('10.0.2.1:15006')).toBe('503 attempted recursive call to ourselves')
  })
})

it('loopback of either family is left from loopback', () => {
  const at: Workload = { ...server, applicationTunnel: { protocol: 'PROXY', port: 15_088 } }
  const plan = tunnelled({
    at,
    target: '[fd00::2:1]:8080',
    acceptedOn: '[fd00::2:1]:15008',
    source: '[fd00::1:1]:4',
    isAppTunnelOnLoopback: true,
  })
  expect(plan).toMatchObject({ dial: { ip: ip('::1'), port: 15_088 }, sourceIp: ip('::1') })
})
