import { describe, expect, it } from 'vitest'
import { parseIp } from '#shared/net'
import { proxiedPorts, ServiceTable } from '../../../../src/local/services/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'
import { serviceObject, sliceObject } from '../../../support/services.ts'

const http = { name: 'http', port: 80, protocol: 'TCP' }
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => {
  const read = parseIp(text)
  if (read === undefined) throw new TypeError(text)
  return read
}
const nodeA = { name: 'node-a', ips: [ip('10.243.0.2'), ip('fd00:10:243::2')] }
const nodeB = { name: 'node-b', ips: [ip('10.243.0.3')] }

const a = { addresses: ['10.244.1.2'], nodeName: 'node-a' }
const b = { addresses: ['10.244.2.2'], nodeName: 'node-b' }

/** `protocol address -> endpoints (source)`, line by line. */
async function shownAt(node: typeof nodeA | typeof nodeB, objects: readonly object[]): Promise<readonly string[]> {
  const access = new MemoryAccess(new FakeClock())
  for (const object of objects) await access.create(object as Parameters<MemoryAccess['create']>[0])
  const table = new ServiceTable(access)
  const ports = proxiedPorts(table.services, node)
  await table.close()
  return ports.map(({ protocol, address, endpoints, source }) => {
    const to = endpoints.map((each) => `${each.ip}:${each.port}`).join()
    return `${protocol} ${address.ip}:${address.port} -> ${to}${source === 'node' ? ' as the node' : ''}`
  })
}

describe('service addresses on a node', () => {
  it('lead to ready endpoints of their own namespace, family, protocol and port', async () => {
    const service = serviceObject('shop/web', {
      clusterIPs: ['10.96.1.0', 'fd00:10:96::100'],
      ports: [http, { name: 'dns', port: 53, protocol: 'UDP' }, { name: 'x', port: 9, protocol: 'SCTP' }],
    })
    const ports = [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'dns', port: 5353, protocol: 'UDP' },
    ]
    const slice = sliceObject('shop/web', 'web-a', ports, [a, { ...b, conditions: { ready: false } }])
    const other = sliceObject('elsewhere/web', 'web-a', ports, [{ addresses: ['10.244.9.9'] }])
    expect(await shownAt(nodeA, [service, slice, other])).toEqual([
      'tcp 10.96.1.0:80 -> 10.244.1.2:8080',
      'tcp fd00:10:96::100:80 -> ',
      'udp 10.96.1.0:53 -> 10.244.1.2:5353',
      'udp fd00:10:96::100:53 -> ',
    ])
  })

  it.each<[string, object, readonly object[], readonly string[]]>([
    [
      'a node port leads everywhere from each address of the node, as the node',
      { type: 'NodePort', clusterIP: '10.96.1.0', ports: [{ ...http, nodePort: 30080 }] },
      [a, b],
      [
        'tcp 10.96.1.0:80 -> 10.244.1.2:8080,10.244.2.2:8080',
        'tcp 10.243.0.2:30080 -> 10.244.1.2:8080,10.244.2.2:8080 as the node',
        'tcp fd00:10:243::2:30080 ->  as the node',
      ],
    ],
    [
      'with externalTrafficPolicy Local only to pods of this node, which see who calls',
      {
        type: 'NodePort',
        clusterIP: '10.96.1.0',
        externalTrafficPolicy: 'Local',
        ports: [{ ...http, nodePort: 30080 }],
      },
      [a, b],
      [
        'tcp 10.96.1.0:80 -> 10.244.1.2:8080,10.244.2.2:8080',
        'tcp 10.243.0.2:30080 -> 10.244.1.2:8080',
        'tcp fd00:10:243::2:30080 -> ',
      ],
    ],
    [
      'with internalTrafficPolicy Local only to pods of this node',
      { clusterIP: '10.96.1.0', internalTrafficPolicy: 'Local', ports: [http] },
      [a, b],
      ['tcp 10.96.1.0:80 -> 10.244.1.2:8080'],
    ],
    [
      'with internalTrafficPolicy Local and no pod here, to nobody',
      { clusterIP: '10.96.1.0', internalTrafficPolicy: 'Local', ports: [http] },
      [b],
      ['tcp 10.96.1.0:80 -> '],
    ],
    [
      'without ready endpoints, those on their way out that still answer serve',
      { clusterIP: '10.96.1.0', ports: [http] },
      [
        { ...a, conditions: { ready: false, serving: true, terminating: true } },
        { ...b, conditions: { ready: false, serving: false, terminating: true } },
      ],
      ['tcp 10.96.1.0:80 -> 10.244.1.2:8080'],
    ],
    [
      'with a ready endpoint, those on their way out do not',
      { clusterIP: '10.96.1.0', ports: [http] },
      [{ ...a, conditions: { ready: false, serving: true, terminating: true } }, b],
      ['tcp 10.96.1.0:80 -> 10.244.2.2:8080'],
    ],
    [
      'an endpoint whose condition nobody knows is ready',
      { clusterIP: '10.96.1.0', ports: [http] },
      [{ ...a, conditions: { ready: null } }],
      ['tcp 10.96.1.0:80 -> 10.244.1.2:8080'],
    ],
    ['a headless service has none', { clusterIP: 'None', clusterIPs: ['None'], ports: [http] }, [a], []],
    [
      'nor has an external name',
      { type: 'ExternalName', externalName: 'x.org', clusterIP: '10.96.1.0', ports: [http] },
      [a],
      [],
    ],
  ])('%s', async (_, spec, endpoints, shown) => {
    const slice = sliceObject(
      'shop/web',
      'web-a',
      [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints as Parameters<typeof sliceObject>[3],
    )
    expect(await shownAt(nodeA, [serviceObject('shop/web', spec), slice])).toEqual(shown)
  })

  it('are the same on every node but for node ports and Local', async () => {
    const objects = [
      serviceObject('shop/web', { type: 'NodePort', clusterIP: '10.96.1.0', ports: [{ ...http, nodePort: 30080 }] }),
      sliceObject('shop/web', 'web-a', [{ name: 'http', port: 8080, protocol: 'TCP' }], [a]),
    ]
    expect(await shownAt(nodeB, objects)).toEqual([
      'tcp 10.96.1.0:80 -> 10.244.1.2:8080',
      'tcp 10.243.0.3:30080 -> 10.244.1.2:8080 as the node',
    ])
  })
})
