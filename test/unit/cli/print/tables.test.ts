import { describe, expect, it } from 'vitest'
import { type ConfigDump, configTable, configValues, table } from '../../../../src/cli/print/index.ts'

const dump: ConfigDump = {
  workloads: [
    {
      name: 'web',
      namespace: 'shop',
      workloadIps: ['10.0.0.1', 'fd00::1'],
      node: 'node-a',
      protocol: 'HBONE',
      status: 'Healthy',
      uid: 'u1',
    },
    {
      name: 'db',
      namespace: 'shop',
      workloadIps: [],
      protocol: 'TCP',
      status: 'Unhealthy',
      uid: 'u2',
      waypoint: { destination: 'shop/waypoint.shop.svc.cluster.local' },
    },
  ],
  services: [
    {
      name: 'web',
      namespace: 'shop',
      vips: ['/10.96.1.0'],
      endpoints: { u1: { workloadUid: 'u1' }, u2: { workloadUid: 'u2' } },
    },
    { name: 'out', namespace: 'shop', vips: [], waypoint: { destination: 'net/10.0.0.9' } },
  ],
  policies: [{ name: 'deny', namespace: 'shop', action: 'Deny', scope: 'WorkloadSelector' }],
  certificates: [
    {
      identity: 'spiffe://cluster.local/ns/shop/sa/web',
      state: 'Available',
      certChain: [{ serialNumber: '255', validFrom: 'then', expirationTime: 'later' }],
      rootCerts: [{ serialNumber: '4096', validFrom: 'then', expirationTime: 'much later' }],
    },
    { identity: 'spiffe://cluster.local/ns/shop/sa/db', state: 'Initializing', certChain: [], rootCerts: [] },
  ],
  workloadState: {
    p1: {
      state: 'Up',
      info: { name: 'web', namespace: 'shop' },
      connections: {
        inbound: [{ src: '10.0.0.2:1', originalDst: null, actualDst: '10.0.0.1:8080', protocol: 'HBONE' }],
        outbound: [{ src: '10.0.0.1:2', originalDst: '10.96.1.0:80', actualDst: '10.0.0.3:15008', protocol: 'HBONE' }],
      },
    },
    p2: { state: 'Pending' },
  },
}

describe('a table', () => {
  it('has columns as wide as their widest cell, and no blanks at line ends', () => {
    expect(
      table(
        ['A', 'LONG'],
        [
          ['wide', ''],
          ['b', 'c'],
        ],
      ),
    ).toBe('A      LONG\nwide\nb      c\n')
  })
})

describe("istioctl's columns", () => {
  it.each([
    ['workloads', ['shop web 10.0.0.1 node-a None HBONE', 'shop db waypoint TCP']],
    ['services', ['shop web 10.96.1.0 None 1/2', 'shop out 10.0.0.9 0/0']],
    ['policies', ['shop deny Deny WorkloadSelector']],
    [
      'certificates',
      [
        'spiffe://cluster.local/ns/shop/sa/web Leaf Available ff later then',
        'spiffe://cluster.local/ns/shop/sa/web Root Available 1000 much later then',
        'spiffe://cluster.local/ns/shop/sa/db Leaf Initializing',
      ],
    ],
    [
      'connections',
      [
        'web.shop Inbound 10.0.0.1:8080 10.0.0.2:1 HBONE',
        'web.shop Outbound 10.0.0.1:2 10.0.0.3:15008 10.96.1.0:80 HBONE',
      ],
    ],
  ] as const)('show %s', (kind, rows) => {
    const lines = configTable(kind, [dump]).trimEnd().split('\n').slice(1)
    expect(lines.map((line) => line.replace(/ +/g, ' '))).toEqual(rows)
  })

  it('come as JSON just as the tunnel dumps them, connections by pod', () => {
    expect(configValues('policies', [dump, dump])).toEqual([dump.policies[0], dump.policies[0]])
    expect(configValues('connections', [dump]).map((each) => (each as { uid: string }).uid)).toEqual(['p1', 'p2'])
  })
})
