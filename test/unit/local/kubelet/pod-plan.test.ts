import { describe, expect, it } from 'vitest'
import type { Pod } from '#shared/k8s'
import { planPod } from '../../../../src/local/kubelet/index.ts'
import { objectsOf } from '../objects/samples.ts'

const podOf = (containers: string): Pod =>
  objectsOf(`apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: ${containers} }`)[0] as Pod
const planned = (containers: string): ReturnType<typeof planPod> =>
  planPod(podOf(containers), '/yaml/folder', { PATH: '/bin', HOSTNAME: 'p' })

describe('the plan of a container', () => {
  it('is its command and arguments, in the folder of its YAML, with the environment of all and its own', () => {
    const [plan] = planned(
      '[{ name: c, command: [node, a.mjs], args: [x], env: [{ name: A, value: "1" }, { name: PATH, value: /own }] }]',
    )
    expect(plan).toEqual({
      name: 'c',
      argv: ['node', 'a.mjs', 'x'],
      folder: '/yaml/folder',
      env: { PATH: '/own', HOSTNAME: 'p', A: '1' },
      probe: undefined,
    })
  })

  it.each([
    ['sub', '/yaml/folder/sub'],
    ['/abs', '/abs'],
  ])('runs in workingDir %s as %s', (workingDir, folder) => {
    expect(planned(`[{ name: c, command: [a], workingDir: "${workingDir}" }]`)[0]?.folder).toBe(folder)
  })

  it.each([
    ['$(A)/x', '1/x'],
    ['$(A)$(A)', '11'],
    ['$$(A)', '$(A)'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$(toString)', '$(toString)'],
    ['$A $ {A} $', '$A $ {A} $'],
  ])('reads %s as Kubernetes does', (word, expanded) => {
    const [plan] = planned(`[{ name: c, command: [a, '${word}'], env: [{ name: A, value: "1" }] }]`)
    expect(plan?.argv[1]).toBe(expanded)
  })

  it('has a probe with Kubernetes defaults, and named ports looked up', () => {
    const [plan] = planned(
      '[{ name: c, command: [a], ports: [{ name: web, containerPort: 8080 }], readinessProbe: { httpGet: { path: /up, port: web } } }]',
    )
    expect(plan?.probe).toEqual({
      check: { kind: 'http', port: 8080, path: '/up' },
      initialDelayMs: 0,
      periodMs: 10_000,
      timeoutMs: 1_000,
      successThreshold: 1,
      failureThreshold: 3,
    })
  })
})
