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
      'an init container without command',
      '  initContainers: [{ name: i }]\n  containers: [{ name: c, command: [a] }]',
      '5 spec.initContainers[0].command is missing',
    ],
    ['volumes', '  volumes: [{ name: v }]\n  containers: [{ name: c, command: [a] }]', '5 spec.volumes'],
    [
      'two containers of one name',
      '  containers: [{ name: c, command: [a] }, { name: c, command: [b] }]',
      'spec.containers[1].name is the same',
    ],
    [
      'a probe without port',
      '  containers: [{ name: c, command: [a], readinessProbe: { httpGet: { path: / } } }]',
      'readinessProbe httpGet.port',
    ],
  ])('for %s is refused by line and field', (_what, spec, problem) => {
    expect(problemsOf(pod(spec)).join('\n')).toContain(problem)
  })
})

describe('a service', () => {
  it('has nothing but cluster addresses', () => {
    const yaml = 'apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { type: NodePort }'
    expect(problemsOf(yaml)).toEqual([expect.stringContaining('spec.type must be ClusterIP')])
  })
})
