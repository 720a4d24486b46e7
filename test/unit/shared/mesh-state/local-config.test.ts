import { describe, expect, it } from 'vitest'
import { applyLocalConfig, parseLocalConfig } from '#shared/mesh-state'
import { cidr, gateway, ip, match, meshOf, service, workload } from '../../../support/mesh-builder.ts'

const EVERY_KEY = `
workloads:
- uid: c//Pod/default/a
  name: a
  namespace: default
  workloadIps: [10.0.0.1, "fd00::1"]
  hostname: a.example
  network: near
  protocol: HBONE
  trustDomain: cluster.local
  serviceAccount: a
  waypoint: {destination: default/wp.example, hboneMtlsPort: 15008}
  networkGateway: {destination: near/10.0.9.9, hboneMtlsPort: 15009}
  node: node-a
  canonicalName: a
  canonicalRevision: v1
  workloadType: pod
  workloadName: a
  nativeTunnel: true
  applicationTunnel: {protocol: PROXY, port: 15088}
  services: {default/web.example: {80: 8080, "443": 8443}}
  authorizationPolicies: [default/p]
  status: Unhealthy
  clusterId: c
  locality: {region: r, zone: z, subzone: s}
  networkMode: HostNetwork
  capacity: 7
services:
- name: web
  namespace: default
  hostname: web.example
  vips: [near/10.9.0.1, /fd99::1]
  cidrVips: [{network: near, cidr: 10.8.0.0/16}]
  ports: {80: 8080}
  endpoints: {}
  subjectAltNames: ["spiffe://cluster.local/ns/default/sa/a"]
  waypoint: {destination: default/wp.example, hboneMtlsPort: 15008}
  weightedWaypoints: [{destination: {destination: /10.0.9.9, hboneMtlsPort: 15008}, weight: 3}]
  loadBalancer: {routingPreferences: [Network, Node], mode: Failover, healthPolicy: AllowAll}
  ipFamilies: Dual
  canonical: true
  visibility: Namespace
policies:
- name: p
  namespace: default
  scope: WorkloadSelector
  action: Deny
  dryRun: false
  rules:
  - - - principals: [{Exact: cluster.local/ns/a/sa/b}, {Prefix: x}, {Suffix: y}, {Presence: []}]
        notSourceIps: [10.0.0.0/8]
        destinationPorts: [80]
        serviceAccounts: [{namespace: a, serviceAccount: b}]
`

describe('a local state file', () => {
  it('says everything that the control plane can say', () => {
    const { workloads, services, policies } = parseLocalConfig(EVERY_KEY, 'local.yaml')
    expect(workloads).toEqual([
      workload({
        uid: 'c//Pod/default/a',
        name: 'a',
        addresses: ['10.0.0.1', 'fd00::1'],
        hostname: 'a.example',
        network: 'near',
        serviceAccount: 'a',
        waypoint: gateway('default/wp.example'),
        networkGateway: gateway('near/10.0.9.9', 15_009),
        canonicalRevision: 'v1',
        workloadType: 'pod',
        nativeTunnel: true,
        applicationTunnel: { protocol: 'PROXY', port: 15_088 },
        services: { 'default/web.example': { 80: 8080, 443: 8443 } },
        authorizationPolicies: ['default/p'],
        status: 'Unhealthy',
        clusterId: 'c',
        locality: { region: 'r', zone: 'z', subzone: 's' },
        networkMode: 'HostNetwork',
        capacity: 7,
      }),
    ])
    expect(services).toEqual([
      service({
        name: 'web',
        hostname: 'web.example',
        vips: ['near/10.9.0.1', '/fd99::1'],
        cidrVips: ['near/10.8.0.0/16'],
        subjectAltNames: ['spiffe://cluster.local/ns/default/sa/a'],
        waypoint: gateway('default/wp.example'),
        weightedWaypoints: [{ destination: gateway('/10.0.9.9'), weight: 3 }],
        loadBalancer: { routingPreferences: ['Network', 'Node'], mode: 'Failover', healthPolicy: 'AllowAll' },
        ipFamilies: 'Dual',
        canonical: true,
        visibility: 'Namespace',
      }),
    ])
    const principals = ['cluster.local/ns/a/sa/b', 'x*', '*y', '*']
    expect(policies).toEqual([
      {
        name: 'p',
        namespace: 'default',
        scope: 'WorkloadSelector',
        action: 'Deny',
        dryRun: false,
        rules: [
          [[match({ principals, notSourceIps: ['10.0.0.0/8'], destinationPorts: [80], serviceAccounts: ['a/b'] })]],
        ],
      },
    ])
    expect(policies[0]?.rules[0]?.[0]?.[0]?.notSourceIps).toEqual([cidr('10.0.0.0/8')])
  })

  it('may leave out all but a few keys; an absent account is no identity, not a default one', () => {
    const { workloads } = parseLocalConfig('workloads: [{workloadIps: [10.0.0.1], namespace: x, services: {}}]', 'f')
    expect(workloads).toMatchObject([
      {
        uid: 'local//Workload/x/',
        name: '',
        protocol: 'TCP',
        trustDomain: '',
        serviceAccount: '',
        status: 'Healthy',
        capacity: 1,
        waypoint: undefined,
      },
    ])
  })

  it.each(['', '# nothing\n', '{}'])('may be empty: %j', (text) => {
    expect(parseLocalConfig(text, 'f')).toEqual({ workloads: [], services: [], policies: [] })
  })

  it('is found in the view like what the control plane sends', () => {
    const mesh = meshOf([])
    applyLocalConfig(mesh, parseLocalConfig(EVERY_KEY.replace('HostNetwork', 'Standard'), 'f'))
    const pod = mesh.workloadByIp('near', ip('10.0.0.1'))
    expect(pod?.uid).toBe('c//Pod/default/a')
    expect(mesh.serviceByVip('', ip('fd99::1'), 'default')?.name).toBe('web')
    expect(mesh.endpoints('default/web.example').map((one) => one.workload.uid)).toEqual(['c//Pod/default/a'])
    expect(pod && mesh.policiesOf(pod).missing).toEqual([])
  })
})

describe('a local state file that cannot be used', () => {
  const problemsOf = (text: string): readonly string[] => {
    try {
      parseLocalConfig(text, 'local.yaml')
      return []
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
      return (error as Error).message.split('\n').slice(1)
    }
  }

  it('is refused with every problem, each with file, line and field', () => {
    const text = `workloads:
- name: a
  workloadIps: [10.0.0.1, 10.0.0]
  namespace: default
  servicAccount: a
  services: {}
- workloadIps: []
  protocol: QUIC
services:
- name: web
  namespace: default
  hostname: web.example
  vips: [10.9.0.1]
  ports: {80: 70000, http: 1}
  endpoints: {a: {}}
policies:
- name: p
  namespace: default
  action: Deny
  rules: [[[{principals: [{Exactly: x}]}]]]
more: 1
`
    expect(problemsOf(text)).toEqual([
      'local.yaml:21: more unknown field',
      'local.yaml:5: workloads[0].servicAccount unknown field',
      'local.yaml:3: workloads[0].workloadIps[1] must be an IP address, is "10.0.0"',
      'local.yaml:7: workloads[1].namespace is missing',
      'local.yaml:8: workloads[1].protocol must be one of TCP, HBONE, is "QUIC"',
      'local.yaml:7: workloads[1].services is missing',
      'local.yaml:13: services[0].vips[0] must be <network>/<ip>, is "10.9.0.1"',
      'local.yaml:14: services[0].ports.80 must be a whole number from 0 to 65535, is 70000',
      'local.yaml:14: services[0].ports.http must be a whole number from 1 to 65535, is "http"',
      'local.yaml:15: services[0].endpoints must be empty: endpoints come from workloads[].services',
      'local.yaml:17: policies[0].scope is missing; one of Global, Namespace, WorkloadSelector',
      'local.yaml:20: policies[0].rules[0][0][0].principals[0].Exactly unknown field',
      'local.yaml:20: policies[0].rules[0][0][0].principals[0] must be one of {Exact: …}, {Prefix: …}, {Suffix: …}, {Presence: []}',
      'local.yaml:17: policies[0].dryRun is missing',
    ])
  })

  it('is refused when two entries have one key', () => {
    const text = `workloads:
- {workloadIps: [10.0.0.1], namespace: x, name: a, services: {}}
- {workloadIps: [10.0.0.2], namespace: x, name: a, services: {}}
`
    expect(problemsOf(text)).toEqual([
      'local.yaml:3: workloads[1] has the same key as workloads[0]: "local//Workload/x/a"',
    ])
  })

  it.each<[string, string, string]>([
    ['no YAML', 'workloads: [', 'local.yaml:1: is no YAML: '],
    ['an unknown alias', 'workloads: *nobody', 'local.yaml:1: is no YAML: '],
    ['a list in place of the map', '- a', 'local.yaml:1:  must be a map, is ["a"]'],
    [
      'a service key without namespace',
      'workloads: [{workloadIps: [], namespace: x, services: {web: {}}}]',
      'local.yaml:1: workloads[0].services.web must be <namespace>/<hostname>',
    ],
  ])('is refused: %s', (_, text, problem) => {
    expect(problemsOf(text)[0]).toContain(problem)
  })

  it('tells at most 100 problems', () => {
    const text = `workloads:\n${'- {}\n'.repeat(80)}`
    const problems = problemsOf(text)
    expect(problems.length).toBe(101)
    expect(problems.at(-1)).toBe('… and 219 more')
  })
})
