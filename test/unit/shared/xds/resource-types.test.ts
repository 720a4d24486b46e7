import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { MeshAddress, Service, Workload } from '#shared/model'
import { formatCidr } from '#shared/net'
import { addressType, authorizationType } from '#shared/xds'
import { authorization, service, workload } from './arbitraries.ts'
import { type Field, message } from './wire-bytes.ts'

const readWorkload = (...fields: Field[]): Workload => {
  const address = addressType.decode(message([1, fields]))
  if (address.kind !== 'workload') throw new Error('a service')
  return address.workload
}

const readService = (...fields: Field[]): Service => {
  const address = addressType.decode(message([2, fields]))
  if (address.kind !== 'service') throw new Error('a workload')
  return address.service
}

const invalid = expect.objectContaining({ code: 'RESOURCE_INVALID' })

describe('what is written', () => {
  it('is read back the same: workloads', () => {
    fc.assert(
      fc.property(workload, (one) => {
        const address: MeshAddress = { kind: 'workload', workload: one }
        expect(addressType.decode(addressType.encode(address))).toEqual(address)
      }),
      { numRuns: 200 },
    )
  })

  it('is read back the same: services', () => {
    fc.assert(
      fc.property(service, (one) => {
        const address: MeshAddress = { kind: 'service', service: one }
        expect(addressType.decode(addressType.encode(address))).toEqual(address)
      }),
      { numRuns: 200 },
    )
  })

  it('is read back the same: policies', () => {
    fc.assert(
      fc.property(authorization, (one) => {
        expect(authorizationType.decode(authorizationType.encode(one))).toEqual(one)
      }),
      { numRuns: 200 },
    )
  })
})

describe('field numbers of a workload', () => {
  it('are those of workload.proto', () => {
    const gateway: Field[] = [
      [
        1,
        [
          [1, 'ns'],
          [2, 'gw'],
        ],
      ],
      [3, 15_008],
    ]
    const found = readWorkload(
      [1, 'name'],
      [2, 'ns'],
      [3, Buffer.of(10, 0, 0, 1)],
      [3, Buffer.from('fd000000000000000000000000000001', 'hex')],
      [4, 'network'],
      [5, 1],
      [6, 'td'],
      [7, 'sa'],
      [8, gateway],
      [9, 'node'],
      [10, 'cn'],
      [11, 'cr'],
      [12, 3],
      [13, 'wn'],
      [14, 1],
      [16, 'ns/policy'],
      [17, 1],
      [18, 'cluster'],
      [
        19,
        [
          [
            2,
            [
              [1, 'net'],
              [2, Buffer.of(1, 2, 3, 4)],
            ],
          ],
          [3, 1],
        ],
      ],
      [20, 'uid'],
      [21, 'host'],
      [
        22,
        [
          [1, 'ns/svc'],
          [
            2,
            [
              [
                1,
                [
                  [1, 80],
                  [2, 8080],
                  [3, 1],
                ],
              ],
            ],
          ],
        ],
      ],
      [
        23,
        [
          [1, 1],
          [2, 15_088],
        ],
      ],
      [
        24,
        [
          [1, 'r'],
          [2, 'z'],
          [3, 's'],
        ],
      ],
      [25, 1],
      [27, [[1, 7]]],
    )
    expect(found).toEqual({
      name: 'name',
      namespace: 'ns',
      addresses: ['10.0.0.1', 'fd00::1'],
      network: 'network',
      protocol: 'HBONE',
      trustDomain: 'td',
      serviceAccount: 'sa',
      waypoint: { destination: { kind: 'hostname', namespace: 'ns', hostname: 'gw' }, hboneMtlsPort: 15_008 },
      node: 'node',
      canonicalName: 'cn',
      canonicalRevision: 'cr',
      workloadType: 'job',
      workloadName: 'wn',
      nativeTunnel: true,
      authorizationPolicies: ['ns/policy'],
      status: 'Unhealthy',
      clusterId: 'cluster',
      networkGateway: { destination: { kind: 'address', network: 'net', ip: '1.2.3.4' }, hboneMtlsPort: 1 },
      uid: 'uid',
      hostname: 'host',
      services: new Map([['ns/svc', [{ servicePort: 80, targetPort: 8080 }]]]),
      applicationTunnel: { protocol: 'PROXY', port: 15_088 },
      locality: { region: 'r', zone: 'z', subzone: 's' },
      networkMode: 'HostNetwork',
      capacity: 7,
    })
  })

  it('are written, too', () => {
    const bytes = addressType.encode({ kind: 'workload', workload: { ...readWorkload([20, 'u']), name: 'n' } })
    expect(Buffer.from(bytes)).toEqual(
      message([
        1,
        [
          [1, 'n'],
          [18, 'Kubernetes'],
          [20, 'u'],
        ],
      ]),
    )
  })
})

describe('field numbers of a service', () => {
  it('are those of workload.proto', () => {
    const found = readService(
      [1, 'web'],
      [2, 'shop'],
      [3, 'web.shop.svc'],
      [
        4,
        [
          [1, 'net'],
          [2, Buffer.of(10, 96, 0, 1)],
        ],
      ],
      [
        4,
        [
          [2, Buffer.of(10, 97, 3, 4)],
          [3, 16],
        ],
      ],
      [
        4,
        [
          [2, Buffer.of(10, 98, 0, 1)],
          [3, 32],
        ],
      ],
      [
        5,
        [
          [1, 80],
          [2, 8080],
        ],
      ],
      [6, 'spiffe://td/ns/a/sa/b'],
      [6, 'web.shop.svc'],
      [
        7,
        [
          [
            1,
            [
              [1, 'shop'],
              [2, 'wp'],
            ],
          ],
          [3, 15_008],
        ],
      ],
      [
        8,
        [
          [1, Buffer.of(1, 3, 6)],
          [2, 2],
          [3, 1],
        ],
      ],
      [9, 3],
      [11, 1],
      [12, 1],
      [
        13,
        [
          [
            1,
            [
              [
                1,
                [
                  [1, 'a'],
                  [2, 'b'],
                ],
              ],
            ],
          ],
          [2, 30],
        ],
      ],
      [14, 1],
    )
    expect({ ...found, cidrVips: found.cidrVips.map(({ cidr }) => formatCidr(cidr)) }).toEqual({
      name: 'web',
      namespace: 'shop',
      hostname: 'web.shop.svc',
      vips: [
        { network: 'net', ip: '10.96.0.1' },
        { network: '', ip: '10.98.0.1' },
      ],
      cidrVips: ['10.97.0.0/16'],
      ports: [{ servicePort: 80, targetPort: 8080 }],
      subjectAltNames: ['spiffe://td/ns/a/sa/b'],
      waypoint: { destination: { kind: 'hostname', namespace: 'shop', hostname: 'wp' }, hboneMtlsPort: 15_008 },
      loadBalancer: {
        routingPreferences: ['Region', 'Subzone', 'Network'],
        mode: 'Failover',
        healthPolicy: 'AllowAll',
      },
      ipFamilies: 'Dual',
      canonical: true,
      ingressUseWaypoint: true,
      weightedWaypoints: [
        {
          destination: { destination: { kind: 'hostname', namespace: 'a', hostname: 'b' }, hboneMtlsPort: 0 },
          weight: 30,
        },
      ],
      visibility: 'Namespace',
    })
  })
})

describe('field numbers of a policy', () => {
  const one: Field[] = [[1, 'x']]
  it('are those of authorization.proto', () => {
    const match: Field[] = [
      [1, one],
      [2, [[2, 'p']]],
      [3, [[3, 's']]],
      [4, [[4, []]]],
      [
        5,
        [
          [1, Buffer.of(10, 1, 2, 3)],
          [2, 8],
        ],
      ],
      [
        6,
        [
          [1, Buffer.of(10, 1, 2, 3)],
          [2, 32],
        ],
      ],
      [
        7,
        [
          [1, Buffer.alloc(16)],
          [2, 0],
        ],
      ],
      [8, [[1, Buffer.of(1, 1, 1, 1)]]],
      [9, 80],
      [9, 81],
      [10, 82],
      [
        11,
        [
          [1, 'ns'],
          [2, 'sa'],
        ],
      ],
      [
        12,
        [
          [1, 'ns2'],
          [2, 'sa2'],
        ],
      ],
    ]
    const policy = authorizationType.decode(
      message([1, 'name'], [2, 'ns'], [3, 2], [4, 1], [5, [[1, [[2, match]]]]], [6, 1]),
    )
    const cidr = (family: 4 | 6, network: number[], prefixBits: number): object => ({
      family,
      network: Uint8Array.from(network),
      prefixBits,
    })
    expect(policy).toEqual({
      name: 'name',
      namespace: 'ns',
      scope: 'WorkloadSelector',
      action: 'Deny',
      dryRun: true,
      rules: [
        [
          [
            {
              namespaces: [{ kind: 'exact', value: 'x' }],
              notNamespaces: [{ kind: 'prefix', value: 'p' }],
              principals: [{ kind: 'suffix', value: 's' }],
              notPrincipals: [{ kind: 'presence' }],
              sourceIps: [cidr(4, [10, 0, 0, 0], 8)],
              notSourceIps: [cidr(4, [10, 1, 2, 3], 32)],
              destinationIps: [cidr(6, new Array<number>(16).fill(0), 0)],
              notDestinationIps: [cidr(4, [0, 0, 0, 0], 0)],
              destinationPorts: [80, 81],
              notDestinationPorts: [82],
              serviceAccounts: [{ namespace: 'ns', serviceAccount: 'sa' }],
              notServiceAccounts: [{ namespace: 'ns2', serviceAccount: 'sa2' }],
            },
          ],
        ],
      ],
    })
  })
})

describe('defaults', () => {
  it('fill in what a workload leaves out', () => {
    expect(readWorkload([20, 'u'])).toMatchObject({
      protocol: 'TCP',
      trustDomain: 'cluster.local',
      serviceAccount: 'default',
      clusterId: 'Kubernetes',
      workloadType: 'deployment',
      status: 'Healthy',
      networkMode: 'Standard',
      capacity: 1,
      waypoint: undefined,
      applicationTunnel: undefined,
      locality: { region: '', zone: '', subzone: '' },
    })
  })

  it('fill in what a service leaves out', () => {
    expect(readService([1, 's'])).toMatchObject({
      loadBalancer: undefined,
      ipFamilies: undefined,
      canonical: false,
      visibility: 'Public',
    })
  })

  it.each<[string, unknown, unknown]>([
    ['a capacity of 0 stays 0', readWorkload([27, []]).capacity, 0],
    ['an unknown workload type is a deployment', readWorkload([12, 9]).workloadType, 'deployment'],
    ['an unknown visibility is public', readService([14, 7]).visibility, 'Public'],
    [
      'an unknown application protocol does not matter',
      readService([
        5,
        [
          [1, 1],
          [3, 99],
        ],
      ]).ports.length,
      1,
    ],
    ['fields that are not known do not matter', readWorkload([20, 'u'], [99, 'x'], [15, 'old']).uid, 'u'],
    [
      'a port is cut to 16 bits',
      readService([
        5,
        [
          [1, 65_536 + 80],
          [2, 2 ** 32 - 1],
        ],
      ]).ports[0],
      { servicePort: 80, targetPort: 65_535 },
    ],
  ])('%s', (_what, found, expected) => {
    expect(found).toEqual(expected)
  })
})

describe('a resource is rejected', () => {
  it.each<[string, Field[]]>([
    ['with LEGACY_ISTIO_MTLS', [[5, 2]]],
    ['with an unknown tunnel protocol', [[5, 3]]],
    ['with an unknown status', [[17, 2]]],
    ['with an unknown network mode', [[25, 2]]],
    ['with an unknown application tunnel', [[23, [[1, 2]]]]],
    ['with an address of 5 bytes', [[3, Buffer.alloc(5)]]],
    ['with an address of no bytes', [[3, Buffer.alloc(0)]]],
    [
      'with a service key without a slash',
      [
        [
          22,
          [
            [1, 'svc'],
            [2, []],
          ],
        ],
      ],
    ],
    ['with a waypoint without a destination', [[8, [[3, 1]]]]],
    ['with a gateway at an address of 3 bytes', [[19, [[2, [[2, Buffer.alloc(3)]]]]]]],
  ])('as a workload %s', (_what, fields) => {
    expect(() => readWorkload(...fields)).toThrowError(invalid)
  })

  it.each<[string, Field[]]>([
    ['with an unset routing preference', [[8, [[1, Buffer.of(0)]]]]],
    ['with an unknown routing preference', [[8, [[1, Buffer.of(7)]]]]],
    ['with an unknown load balancing mode', [[8, [[2, 4]]]]],
    ['with an unknown health policy', [[8, [[3, 2]]]]],
    ['with unknown address families', [[9, 4]]],
    [
      'with a prefix longer than its address',
      [
        [
          4,
          [
            [2, Buffer.alloc(4)],
            [3, 33],
          ],
        ],
      ],
    ],
    ['with a VIP of 8 bytes', [[4, [[2, Buffer.alloc(8)]]]]],
    ['with a weighted waypoint without a destination', [[13, [[2, 1]]]]],
  ])('as a service %s', (_what, fields) => {
    expect(() => readService(...fields)).toThrowError(invalid)
  })

  it.each<[string, () => unknown]>([
    ['that is neither workload nor service', () => addressType.decode(message())],
    ['that is cut off', () => addressType.decode(message([1, [[1, 'name']]]).subarray(0, 4))],
    ['with an unknown scope', () => authorizationType.decode(message([3, 3]))],
    ['with an unknown action', () => authorizationType.decode(message([4, 2]))],
  ])('%s', (_what, attempt) => {
    expect(attempt).toThrowError(invalid)
  })
})

describe('a policy loses silently', () => {
  const read = (match: Field[]): unknown =>
    authorizationType.decode(message([5, [[1, [[2, match]]]]])).rules[0]?.[0]?.[0]
  it.each<[string, Field[], object]>([
    [
      'an address of 5 bytes',
      [
        [
          5,
          [
            [1, Buffer.alloc(5)],
            [2, 8],
          ],
        ],
      ],
      { sourceIps: [] },
    ],
    [
      'a prefix that is too long',
      [
        [
          7,
          [
            [1, Buffer.alloc(4)],
            [2, 33],
          ],
        ],
      ],
      { destinationIps: [] },
    ],
    [
      'a string match with nothing set',
      [
        [3, []],
        [3, [[1, 'a']]],
      ],
      { principals: [{ kind: 'exact', value: 'a' }] },
    ],
  ])('%s', (_what, match, expected) => {
    expect(read(match)).toMatchObject(expected)
  })
})

describe('hostile bytes', () => {
  it('give a resource or RESOURCE_INVALID, never another failure', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isAddress) => {
        try {
          ;(isAddress ? addressType : authorizationType).decode(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('that differ from good ones in a few places do neither', () => {
    fc.assert(
      fc.property(
        workload,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
        (one, changes) => {
          const bytes = Uint8Array.from(addressType.encode({ kind: 'workload', workload: one }))
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          try {
            addressType.decode(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(MeshError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('cannot reach the prototype of anything through a map key', () => {
    const found = addressType.decode(
      message([
        1,
        [
          [
            22,
            [
              [1, '__proto__/x'],
              [2, []],
            ],
          ],
        ],
      ]),
    )
    expect(found.kind === 'workload' && [...found.workload.services.keys()]).toEqual(['__proto__/x'])
    expect(() =>
      readWorkload([
        22,
        [
          [1, '__proto__'],
          [2, []],
        ],
      ]),
    ).not.toThrowError(TypeError)
    expect(Object.keys({})).toEqual([])
  })

  it('nested a thousand deep are refused', () => {
    let nested: Field[] = [[1, 'x']]
    for (let i = 0; i < 1000; i++) nested = [[1, nested]]
    expect(() => authorizationType.decode(message([5, nested]))).not.toThrowError(RangeError)
  })
})
