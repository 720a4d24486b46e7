import { describe, expect, it } from 'vitest'
import { problemsOf } from './samples.ts'

const pod = (spec: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: { name: p, namespace: shop }\nspec:\n${spec}`

describe('a pod that cannot run on one machine', () => {
  it.each([
    ['no containers', '  {}', '4 spec.containers is empty'],
    ['no command', '  containers: [{ name: c, image: nginx }]', '5 spec.containers[0].command is missing'],
    ['host network', '  hostNetwork: true\n  containers: [{ name: c, command: [a] }]', '5 spec.hostNetwork'],
    [
      'a claim',
      '  volumes: [{ name: v, persistentVolumeClaim: { claimName: c } }]\n  containers: [{ name: c, command: [a] }]',
      '5 spec.volumes[0].persistentVolumeClaim is not supported',
    ],
    [
      'a variable that is no text',
      '  containers:\n    - name: c\n      command: [a]\n      env: [{ name: A, value: 1 }]',
      '8 spec.containers[0].env[0].value must be a string',
    ],
    [
      'two containers of one name',
      '  containers: [{ name: c, command: [a] }, { name: c, command: [b] }]',
      'spec.containers[1].name is the same',
    ],
    [
      'a probe without port',
      '  containers: [{ name: c, command: [a], readinessProbe: { httpGet: { path: / } } }]',
      'readinessProbe.httpGet.port',
    ],
  ])('for %s is refused by line and field', (_what, spec, problem) => {
    expect(problemsOf(pod(spec)).join('\n')).toContain(problem)
  })
})

it('tells each mistake once, although mesh and machine read the same field', () => {
  expect(problemsOf(pod('  containers: [{ name: c, command: [1] }]'))).toHaveLength(1)
})

describe('a service', () => {
  const service = (spec: string): readonly string[] =>
    problemsOf(`apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { ports: [{ port: 80 }], ${spec} }`)

  it.each(['type: NodePort', 'type: LoadBalancer', 'type: ExternalName, externalName: x.org', 'clusterIP: None'])(
    'may be %s',
    (spec) => {
      expect(service(spec)).toEqual([])
    },
  )

  it.each([
    ['externalIPs: [1.2.3.4]', 'spec.externalIPs is not supported on one machine'],
    ['sessionAffinity: ClientIP', 'spec.sessionAffinity ClientIP is not supported'],
    ['loadBalancerSourceRanges: [10.0.0.0/8]', 'spec.loadBalancerSourceRanges leaves nobody'],
    ['ports: [{ port: 9, protocol: SCTP }]', 'spec.ports[0].protocol SCTP is not supported'],
  ])('that asks for %s is refused by name', (spec, problem) => {
    const yaml = `apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { ${spec} }`
    expect(problemsOf(yaml)).toEqual([expect.stringContaining(problem)])
  })

  it('may say that only this machine may use its load balancer', () => {
    expect(service('type: LoadBalancer, loadBalancerSourceRanges: [127.0.0.0/8]')).toEqual([])
  })
})
