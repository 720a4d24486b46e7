import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProblem, meshKinds, readApiObject, readObjects } from '#shared/k8s'

const entry = (spec: string, status = ''): string =>
  `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: shop}\nspec: ${spec}\n${status}`
const workload = (spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: w, namespace: shop}\nspec: ${spec}\n`
const problemsOf = (text: string): readonly string[] =>
  readObjects(text, 'f').problems.map((problem) => formatProblem({ ...problem, line: undefined }))

describe('reading ServiceEntries', () => {
  it('fills in what the API fills in', () => {
    const text = entry('{hosts: [a.example], ports: [{number: 80, name: http, protocol: http}]}')
    expect(readObjects(text, 'f').objects).toMatchObject([
      {
        kind: 'ServiceEntry',
        spec: {
          hosts: ['a.example'],
          addresses: [],
          ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: undefined }],
          location: 'MESH_EXTERNAL',
          resolution: 'NONE',
          endpoints: [],
          workloadSelector: undefined,
        },
        status: { addresses: [] },
      },
    ])
  })

  it('reads all versions as one kind', () => {
    const [first, ...others] = ['v1', 'v1beta1', 'v1alpha3'].map(
      (version) => readObjects(entry('{hosts: [a.example]}').replace('.io/v1', `.io/${version}`), 'f').objects,
    )
    expect(first).toHaveLength(1)
    for (const other of others) expect(other).toEqual(first)
  })

  it('takes of a status addresses only, and lets nothing in it stop the entry', () => {
    const status =
      'status: {addresses: [{host: a.example, value: 240.240.0.1}, {host: a.example, value: x}, 7], conditions: 3}'
    expect(readObjects(entry('{hosts: [a.example]}', status), 'f').objects).toMatchObject([
      { status: { addresses: [{ host: 'a.example', value: '240.240.0.1' }] } },
    ])
  })

  const P = 'ports: [{number: 80, name: a}]'
  it.each([
    ['no host', `{${P}}`, 'f: spec.hosts: is missing'],
    ['a host alone with *', '{hosts: ["*"]}', 'f: spec.hosts[0]: is no host name: "*"'],
    ['a * within', '{hosts: ["a.*.example"]}', 'f: spec.hosts[0]: is no host name: "a.*.example"'],
    [
      'an address for a host',
      '{hosts: [10.0.0.1]}',
      'f: spec.hosts[0]: is an address; those go into addresses: "10.0.0.1"',
    ],
    ['no address', '{hosts: [a.b], addresses: [a.b]}', 'f: spec.addresses[0]: is no IP address or CIDR: "a.b"'],
    [
      'a network that is looked up',
      '{hosts: [a.b], addresses: [10.0.0.0/8], resolution: DNS}',
      'f: spec.addresses: cannot be networks with resolution DNS',
    ],
    [
      'an unknown protocol',
      '{hosts: [a.b], ports: [{number: 80, name: a, protocol: QUIC}]}',
      'f: spec.ports[0].protocol: is no protocol: "QUIC"',
    ],
    [
      'a port twice',
      '{hosts: [a.b], ports: [{number: 80, name: a}, {number: 80, name: b}]}',
      'f: spec.ports[1].number: is the same as of spec.ports[0]',
    ],
    [
      'a name twice',
      '{hosts: [a.b], ports: [{number: 80, name: a}, {number: 81, name: a}]}',
      'f: spec.ports[1].name: is the same as of spec.ports[0]',
    ],
    [
      'a port 0',
      '{hosts: [a.b], ports: [{number: 0, name: a}]}',
      'f: spec.ports[0].number: must be a whole number from 1 to 65535, is 0',
    ],
    [
      'endpoints and a selector',
      '{hosts: [a.b], resolution: STATIC, endpoints: [{address: 10.0.0.1}], workloadSelector: {labels: {a: b}}}',
      'f: spec.endpoints: cannot stand beside workloadSelector',
    ],
    [
      'endpoints of NONE',
      '{hosts: [a.b], endpoints: [{address: 10.0.0.1}]}',
      'f: spec.endpoints: cannot stand beside resolution NONE',
    ],
    [
      'a static name',
      '{hosts: [a.b], resolution: STATIC, endpoints: [{address: c.d}]}',
      'f: spec.endpoints[0].address: must be an IP address with resolution STATIC: "c.d"',
    ],
    [
      'a wildcard to look up',
      '{hosts: ["*.a.b"], resolution: DNS}',
      'f: spec.hosts: cannot be looked up with resolution DNS when they begin with *',
    ],
    [
      'several of a round robin',
      '{hosts: [a.b], resolution: DNS_ROUND_ROBIN, endpoints: [{address: c.d}, {address: e.f}]}',
      'f: spec.endpoints: can be one only with resolution DNS_ROUND_ROBIN',
    ],
    [
      'one name dynamically',
      '{hosts: [a.b], resolution: DYNAMIC_DNS}',
      'f: spec.hosts: must begin with *. with resolution DYNAMIC_DNS',
    ],
    [
      'a UNIX socket',
      '{hosts: [a.b], resolution: DNS, endpoints: [{address: "unix:///x"}]}',
      'f: spec.endpoints[0].address: is a UNIX socket, which the mesh cannot reach: "unix:///x"',
    ],
    [
      'an endpoint without anything',
      '{hosts: [a.b], resolution: STATIC, endpoints: [{}]}',
      'f: spec.endpoints[0].address: is missing; without it a network is needed',
    ],
    ['a misspelt field', '{hosts: [a.b], resolution: STATIC, endpoint: []}', 'f: spec.endpoint: unknown field'],
  ])('refuses %s', (_, spec, problem) => {
    expect(problemsOf(entry(spec))).toEqual([problem])
  })
})

describe('reading WorkloadEntries', () => {
  it('keeps what is said of the place', () => {
    const spec =
      '{address: vm.example, ports: {http: 8080}, labels: {app: vm}, network: n, locality: eu/x, weight: 3, serviceAccount: vm}'
    expect(readObjects(workload(spec), 'f').objects).toMatchObject([
      {
        spec: {
          address: 'vm.example',
          ports: new Map([['http', 8080]]),
          labels: { app: 'vm' },
          network: 'n',
          locality: 'eu/x',
          weight: 3,
          serviceAccount: 'vm',
        },
      },
    ])
  })

  it.each([
    ['no address', '{}', 'f: spec.address: is missing; without it a network is needed'],
    [
      'a port that is none',
      '{address: 10.0.0.1, ports: {a: 0}}',
      'f: spec.ports.a: must be a whole number from 1 to 65535, is 0',
    ],
    [
      'a weight below nothing',
      '{address: 10.0.0.1, weight: -1}',
      'f: spec.weight: must be a whole number from 0 to 4294967295, is -1',
    ],
    ['a name that is none', '{address: "-x"}', 'f: spec.address: is no host name: "-x"'],
  ])('refuses %s', (_, spec, problem) => {
    expect(problemsOf(workload(spec))).toEqual([problem])
  })
})

describe.each(['ServiceEntry', 'WorkloadEntry'])('any %s', (kind) => {
  const reader = meshKinds.find((each) => each.kind === kind)

  it('is read or refused by field, whatever it holds', () => {
    if (reader === undefined) throw new Error(`${kind} is not read`)
    const words = fc.constantFrom(
      'hosts',
      'addresses',
      'ports',
      'endpoints',
      'resolution',
      'workloadSelector',
      'labels',
    )
    const values = fc.anything({ maxDepth: 4, key: fc.oneof(words, fc.string()) })
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(words, fc.string()), values), values, (spec, status) => {
        const object = { metadata: { name: 'e', namespace: 'shop' }, spec, status }
        const read = readApiObject(object, reader)
        if (read.kind === 'rejected') expect(read.problems.length).toBeGreaterThan(0)
      }),
    )
  })
})
