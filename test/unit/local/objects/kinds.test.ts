import { describe, expect, it } from 'vitest'
import type { Pod, Service } from '#shared/k8s'
import { graceMsOf, isHeadless } from '../../../../src/local/objects/index.ts'
import { objectsOf, problemsOf } from './samples.ts'

const pod = (spec: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: { name: p, namespace: shop }\nspec:\n${spec}`

describe('a pod that cannot run on one machine', () => {
  it.each([
    ['no containers', '  {}', '4 spec.containers is empty'],
    ['no command', '  containers: [{ name: c, image: nginx }]', '5 spec.containers[0].command is missing'],
    ['host network', '  hostNetwork: true\n  containers: [{ name: c, command: [a] }]', '5 spec.hostNetwork'],
    [
      'init containers',
      '  initContainers: [{ name: i }]\n  containers: [{ name: c, command: [a] }]',
      '5 spec.initContainers',
    ],
    ['volumes', '  volumes: [{ name: v }]\n  containers: [{ name: c, command: [a] }]', '5 spec.volumes'],
    [
      'another restart policy',
      '  restartPolicy: Never\n  containers: [{ name: c, command: [a] }]',
      '5 spec.restartPolicy must be Always',
    ],
    [
      'two containers of one name',
      '  containers: [{ name: c, command: [a] }, { name: c, command: [b] }]',
      'spec.containers[1].name is the same',
    ],
    [
      'a gRPC probe',
      '  containers: [{ name: c, command: [a], readinessProbe: { grpc: { port: 1 } } }]',
      'readinessProbe.grpc is not supported',
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

describe('what this machine reads beside the mesh', () => {
  it('is how long a pod may take to end', () => {
    const texts = ['', '  terminationGracePeriodSeconds: 3\n'].map((line) =>
      pod(`${line}  containers: [{ name: c, command: [a] }]`),
    )
    expect(texts.map((text) => graceMsOf(objectsOf(text)[0] as Pod))).toEqual([30_000, 3_000])
  })

  it('is whether a service wants no address', () => {
    const service = (spec: string): Service =>
      objectsOf(`apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: ${spec}`)[0] as Service
    expect([isHeadless(service('{}')), isHeadless(service('{ clusterIP: None }'))]).toEqual([false, true])
  })

  it('is nothing but cluster addresses', () => {
    const yaml = 'apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { type: NodePort }'
    expect(problemsOf(yaml)).toEqual([expect.stringContaining('spec.type must be ClusterIP')])
  })
})
