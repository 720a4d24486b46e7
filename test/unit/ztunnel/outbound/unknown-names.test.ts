import { describe, expect, it } from 'vitest'
import type { Service, Workload } from '#shared/model'
import { unknownNames } from '../../../../src/ztunnel/outbound/unknown-names.ts'
import { gateway, meshOf, service, socket, workload } from '../../../support/mesh-builder.ts'

const client = workload({ name: 'client', addresses: ['10.0.1.1'] })
const server = workload({ name: 'server', addresses: ['10.0.2.1'] })
const web = service({ name: 'web', vips: ['10.9.0.1'] })
const WEB = 'default/web.default.svc.cluster.local'
const waypoint = gateway('default/waypoint.example')

function asked(
  to: string,
  mesh: readonly (Workload | Service)[] = [],
  { from = client, network = '' }: { readonly from?: Workload; readonly network?: string } = {},
): readonly string[] {
  const originalDestination = socket(to)
  const request = {
    workload: from,
    source: socket('10.0.1.1:4'),
    originalDestination,
    network,
    ownPorts: new Set<number>(),
  }
  return unknownNames(meshOf([from, ...mesh]), request)
}

describe('what has to be asked for before a connection can be planned', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['an unknown address', asked('10.9.0.1:80'), ['/10.9.0.1']],
    ['an unknown IPv6 address', asked('[fd99::1]:80'), ['/fd99::1']],
    [
      'in both networks, when the pod’s is another than the node’s',
      asked('10.9.0.1:80', [], { from: { ...client, network: 'near' } }),
      ['/10.9.0.1', 'near/10.9.0.1'],
    ],
    ['nothing for loopback', asked('127.0.0.1:80'), []],
    ['nothing for a known workload', asked('10.0.2.1:80', [server]), []],
    ['nothing for a known service', asked('10.9.0.1:80', [web]), []],
    ['the unknown waypoint of a service', asked('10.9.0.1:80', [{ ...web, waypoint }]), ['default/waypoint.example']],
    [
      'the unknown waypoint of a workload',
      asked('10.0.2.1:80', [{ ...server, waypoint: gateway('near/10.0.3.1') }]),
      ['near/10.0.3.1'],
    ],
    [
      'every unknown weighted waypoint',
      asked('10.9.0.1:80', [
        {
          ...web,
          weightedWaypoints: [
            { destination: waypoint, weight: 1 },
            { destination: gateway('/10.0.3.1'), weight: 1 },
          ],
        },
      ]),
      ['default/waypoint.example', '/10.0.3.1'],
    ],
    [
      'the unknown gateway of an endpoint in another network',
      asked('10.9.0.1:80', [
        web,
        { ...server, network: 'far', networkGateway: gateway('istio/gw.example'), services: new Map([[WEB, []]]) },
      ]),
      ['istio/gw.example'],
    ],
    [
      'not the gateway of an endpoint in the pod’s own network',
      asked('10.9.0.1:80', [
        web,
        { ...server, networkGateway: gateway('istio/gw.example'), services: new Map([[WEB, []]]) },
      ]),
      [],
    ],
    [
      'the unknown gateway in front of a waypoint in another network',
      asked('10.9.0.1:80', [
        { ...web, waypoint },
        {
          ...server,
          name: 'wp',
          hostname: 'waypoint.example',
          network: 'far',
          networkGateway: gateway('far/10.7.0.1'),
        },
      ]),
      ['far/10.7.0.1'],
    ],
    [
      'not a known waypoint',
      asked('10.9.0.1:80', [{ ...web, waypoint }, service({ name: 'waypoint', hostname: 'waypoint.example' })]),
      [],
    ],
  ])('%s', (_, names, expected) => {
    expect(names).toEqual(expected)
  })
})
