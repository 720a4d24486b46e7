import { describe, expect, it } from 'vitest'
import type { Pod } from '#shared/k8s'
import { planPod } from '../../../../src/local/kubelet/index.ts'
import { documentOf } from '../../../../src/local/objects/kinds.ts'
import type { ContainerPlan, PodPlan } from '../../../../src/local/pod-plan/index.ts'
import { objectsOf } from '../objects/samples.ts'

const planned = (spec: string): PodPlan => {
  const pod = objectsOf(`apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: ${spec}`)[0] as Pod
  return planPod(pod, documentOf(pod).spec as Record<string, unknown>, '/yaml/folder', { PATH: '/bin', HOSTNAME: 'p' })
}
const container = (yaml: string): ContainerPlan => planned(`{ containers: [${yaml}] }`).containers[0] as ContainerPlan

describe('the plan of a container', () => {
  it('is its command and arguments, in the folder of its YAML, with the environment of all and its own', () => {
    const plan = container(
      '{ name: c, command: [node, a.mjs], args: [x], env: [{ name: A, value: "1" }, { name: PATH, value: /own }] }',
    )
    expect(plan.resolve()).toMatchObject({
      argv: ['node', 'a.mjs', 'x'],
      folder: '/yaml/folder',
      env: { PATH: '/own', HOSTNAME: 'p', A: '1' },
    })
  })

  it.each([
    ['sub', '/yaml/folder/sub'],
    ['/abs', '/abs'],
  ])('runs in workingDir %s as %s', (workingDir, folder) => {
    expect(container(`{ name: c, command: [a], workingDir: "${workingDir}" }`).resolve().folder).toBe(folder)
  })

  it.each([
    ['$(A)/x', '1/x'],
    ['$(A)$(A)', '11'],
    ['$$(A)', '$(A)'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$(toString)', '$(toString)'],
    ['$A $ {A} $', '$A $ {A} $'],
  ])('reads %s as Kubernetes does', (word, expanded) => {
    const plan = container(`{ name: c, command: [a, '${word}'], env: [{ name: A, value: "1" }] }`)
    expect(plan.resolve().argv[1]).toBe(expanded)
  })

  it.each([
    [
      'httpGet: { path: /up, port: web }',
      { kind: 'http', isTls: false, host: undefined, port: 8080, path: '/up', headers: [] },
    ],
    [
      'httpGet: { port: 1, scheme: HTTPS, host: 10.0.0.1, httpHeaders: [{ name: A, value: b }] }',
      { kind: 'http', isTls: true, host: '10.0.0.1', port: 1, path: '/', headers: [['A', 'b']] },
    ],
    ['tcpSocket: { port: web }', { kind: 'tcp', host: undefined, port: 8080 }],
    ['grpc: { port: 9 }', { kind: 'grpc', port: 9, service: '' }],
    ['exec: { command: [a, b] }', { kind: 'exec', argv: ['a', 'b'] }],
  ])('has the probe %s with Kubernetes defaults, and named ports looked up', (yaml, check) => {
    const plan = container(
      `{ name: c, command: [a], ports: [{ name: web, containerPort: 8080 }], readinessProbe: { ${yaml} } }`,
    )
    expect(plan.probes.readiness).toEqual({
      check,
      initialDelayMs: 0,
      periodMs: 10_000,
      timeoutMs: 1_000,
      successThreshold: 1,
      failureThreshold: 3,
      graceMs: undefined,
    })
  })
})

it.each([
  ['', 'Always', 'OnFailure'],
  ['restartPolicy: OnFailure,', 'OnFailure', 'OnFailure'],
  ['restartPolicy: Never,', 'Never', 'Never'],
])('a pod with %j restarts its containers %s and its init containers %s, but sidecars always', (yaml, main, init) => {
  const plan = planned(
    `{ ${yaml} initContainers: [{ name: i, command: [a] }, { name: s, command: [a], restartPolicy: Always }], containers: [{ name: c, command: [a] }] }`,
  )
  expect([...plan.containers, ...plan.initContainers].map(({ restart }) => restart)).toEqual([main, init, 'Always'])
})
