import { describe, expect, it } from 'vitest'
// The two files decide; the room's door gives only what acts on them.
import { ingressOf, type PortState } from '../../../../src/local/host-ports/load-balancer-status.ts'
import { wantedPorts } from '../../../../src/local/host-ports/wanted-ports.ts'
import type { ServiceRecord } from '../../../../src/local/services/index.ts'
import { serviceObject } from '../../../support/services.ts'

type Given = Partial<Omit<ServiceRecord, 'ports'>> & {
  readonly ports: readonly [port: number, nodePort: number, protocol?: 'UDP'][]
}

function service(key: string, { ports, ...given }: Given): ServiceRecord {
  const [namespace = '', name = ''] = key.split('/')
  return {
    key,
    namespace,
    name,
    type: 'LoadBalancer',
    clusterIps: [],
    externalName: '',
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    isOfOtherClass: false,
    object: serviceObject(key, {}),
    ...given,
    ports: ports.map(([port, nodePort, protocol = 'TCP' as const]) => ({ name: `p${port}`, port, protocol, nodePort })),
  }
}

/** `port service field`; what is lost with who has it. */
function shown(services: readonly ServiceRecord[], owners: Readonly<Record<number, string>> = {}): readonly string[] {
  const { wanted, lost } = wantedPorts(services, (port) => owners[port])
  return [
    ...[...wanted.values()].map(({ port, service: key, field }) => `${port} ${key} ${field}`),
    ...lost.map(({ port, service: key, owner }) => `${port} ${key} lost to ${owner}`),
  ]
}

describe('ports of the machine', () => {
  it.each<[string, readonly ServiceRecord[], Readonly<Record<number, string>>, readonly string[]]>([
    [
      'of a service with a cluster address only: none',
      [service('a/x', { type: 'ClusterIP', ports: [[80, 0]] })],
      {},
      [],
    ],
    [
      'of a node port service: the node port',
      [service('a/x', { type: 'NodePort', ports: [[80, 30080]] })],
      {},
      ['30080 a/x spec.ports[0].nodePort'],
    ],
    [
      'of a load balancer: its own port too',
      [service('a/x', { ports: [[80, 30080]] })],
      {},
      ['30080 a/x spec.ports[0].nodePort', '80 a/x spec.ports[0].port'],
    ],
    [
      'of a load balancer without node ports: its own port',
      [service('a/x', { ports: [[80, 0]] })],
      {},
      ['80 a/x spec.ports[0].port'],
    ],
    [
      "of somebody else's load balancer: node ports only",
      [service('a/x', { isOfOtherClass: true, ports: [[80, 30080]] })],
      {},
      ['30080 a/x spec.ports[0].nodePort'],
    ],
    [
      'over UDP: none',
      [
        service('a/x', {
          ports: [
            [53, 30053, 'UDP'],
            [80, 0],
          ],
        }),
      ],
      {},
      ['80 a/x spec.ports[1].port'],
    ],
    [
      'that two want go to the first by name',
      [service('b/y', { ports: [[80, 0]] }), service('a/x', { ports: [[80, 0]] })],
      {},
      ['80 a/x spec.ports[0].port', '80 b/y lost to a/x'],
    ],
    [
      'that two want stay with who has them',
      [service('a/x', { ports: [[80, 0]] }), service('b/y', { ports: [[80, 0]] })],
      { 80: 'b/y' },
      ['80 b/y spec.ports[0].port', '80 a/x lost to b/y'],
    ],
    [
      'of one service are not lost to itself',
      [service('a/x', { ports: [[30080, 30080]] })],
      {},
      ['30080 a/x spec.ports[0].nodePort'],
    ],
  ])('%s', (_, services, owners, lines) => {
    expect(shown(services, owners)).toEqual(lines)
  })
})

describe('where a load balancer is reached', () => {
  const at = (states: Readonly<Record<number, PortState>>, given: Given): ReturnType<typeof ingressOf> =>
    ingressOf(service('a/x', given), (port) => states[port] ?? 'taken')

  it.each<[string, Readonly<Record<number, PortState>>, Given, ReturnType<typeof ingressOf>]>([
    ['nowhere while no port is open', { 80: 'taken' }, { ports: [[80, 0]] }, []],
    ['nowhere when it is none', { 80: 'open' }, { type: 'NodePort', ports: [[80, 0]] }, []],
    ["not here when it is somebody else's", { 80: 'open' }, { isOfOtherClass: true, ports: [[80, 0]] }, []],
    [
      'not yet known while a port is being opened',
      { 80: 'open', 81: 'opening' },
      {
        ports: [
          [80, 0],
          [81, 0],
        ],
      },
      undefined,
    ],
    [
      'at loopback, with what is open and what is not',
      { 8080: 'open', 80: 'forbidden' },
      {
        ports: [
          [8080, 0],
          [80, 0],
          [90, 0],
          [53, 0, 'UDP'],
        ],
      },
      [
        {
          ip: '127.0.0.1',
          ipMode: 'Proxy',
          ports: [
            { port: 8080, protocol: 'TCP' },
            { port: 80, protocol: 'TCP', error: 'PortForbidden' },
            { port: 90, protocol: 'TCP', error: 'PortTaken' },
            { port: 53, protocol: 'UDP', error: 'ProtocolNotCarried' },
          ],
        },
      ],
    ],
  ])('%s', (_, states, given, ingress) => {
    expect(at(states, given)).toEqual(ingress)
  })
})
