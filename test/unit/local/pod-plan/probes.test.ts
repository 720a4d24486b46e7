import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { readSpec } from '../../../../src/local/pod-plan/index.ts'
import { podOf, problemsOf } from './samples.ts'

const PORTS = 'ports: [{ name: web, containerPort: 8080 }]'
const containerOf = (fields: string): string => `containers: [{ name: c, command: [a], ${PORTS}, ${fields} }]`
const read = (pod: ApiObject): ReturnType<typeof readSpec>['containers'][number] | undefined =>
  readSpec(pod).containers[0]

describe('a probe', () => {
  it('has Kubernetes defaults, and named ports looked up', () => {
    expect(read(podOf(containerOf('livenessProbe: { httpGet: { path: up, port: web } }')))?.livenessProbe).toEqual({
      check: { kind: 'http', isTls: false, host: undefined, port: 8080, path: '/up', headers: [] },
      initialDelayMs: 0,
      periodMs: 10_000,
      timeoutMs: 1_000,
      successThreshold: 1,
      failureThreshold: 3,
      graceMs: undefined,
    })
  })

  it.each([
    ['exec: { command: [test, -e, /up] }', { kind: 'exec', argv: ['test', '-e', '/up'] }],
    ['tcpSocket: { port: 80, host: other }', { kind: 'tcp', port: 80, host: 'other' }],
    ['grpc: { port: 9, service: s }', { kind: 'grpc', port: 9, service: 's' }],
    [
      'httpGet: { port: 443, scheme: HTTPS, host: h, path: "/a?b", httpHeaders: [{ name: X-A, value: b c }] }',
      { kind: 'http', isTls: true, host: 'h', port: 443, path: '/a?b', headers: [['X-A', 'b c']] },
    ],
  ])('can be %s', (check, expected) => {
    expect(read(podOf(containerOf(`startupProbe: { ${check} }`)))?.startupProbe?.check).toEqual(expected)
  })

  it('has its own times', () => {
    const times =
      'initialDelaySeconds: 1, periodSeconds: 2, timeoutSeconds: 3, successThreshold: 4, failureThreshold: 5'
    expect(read(podOf(containerOf(`readinessProbe: { grpc: { port: 1 }, ${times} }`)))?.readinessProbe).toMatchObject({
      initialDelayMs: 1_000,
      periodMs: 2_000,
      timeoutMs: 3_000,
      successThreshold: 4,
      failureThreshold: 5,
    })
    const grace = 'livenessProbe: { exec: { command: [a] }, terminationGracePeriodSeconds: 7 }'
    expect(read(podOf(containerOf(grace)))?.livenessProbe?.graceMs).toBe(7_000)
  })

  it.each([
    ['{}', 'livenessProbe must have exactly one of exec, httpGet, tcpSocket, grpc'],
    ['{ exec: { command: [a] }, grpc: { port: 1 } }', 'livenessProbe must have exactly one of'],
    ['{ sleep: { seconds: 1 } }', 'livenessProbe must have exactly one of'],
    ['{ exec: {} }', 'livenessProbe.exec.command is missing'],
    ['{ httpGet: { path: / } }', 'livenessProbe.httpGet.port must be a port number or the name'],
    ['{ httpGet: { port: none } }', 'livenessProbe.httpGet.port must be'],
    ['{ httpGet: { port: 1, path: "/a b" } }', 'livenessProbe.httpGet.path must be a path without spaces'],
    ['{ httpGet: { port: 1, httpHeaders: [{ name: "A:", value: b }] } }', 'httpHeaders.0.name is no header name'],
    ['{ httpGet: { port: 1, httpHeaders: [{ name: A, value: "b\\r\\nC: d" }] } }', 'httpHeaders.0.value must not have'],
    ['{ tcpSocket: { port: 65536 } }', 'livenessProbe.tcpSocket.port must be'],
    ['{ grpc: { port: web } }', 'livenessProbe.grpc.port must be'],
    ['{ tcpSocket: { port: 1 }, periodSeconds: 0 }', 'livenessProbe.periodSeconds must be'],
    ['{ tcpSocket: { port: 1 }, successThreshold: 2 }', 'livenessProbe.successThreshold must be'],
  ])('written as %s is refused by field', (probe, problem) => {
    expect(problemsOf(containerOf(`livenessProbe: ${probe}`))).toContainEqual(expect.stringContaining(problem))
  })
})

describe('a hook', () => {
  it('can be a command, a request, or a while', () => {
    const hooks = 'lifecycle: { postStart: { httpGet: { port: web } }, preStop: { sleep: { seconds: 2 } } }'
    expect(read(podOf(containerOf(hooks)))?.lifecycle).toEqual({
      postStart: { kind: 'http', isTls: false, host: undefined, port: 8080, path: '/', headers: [] },
      preStop: { kind: 'sleep', ms: 2_000 },
    })
  })

  it.each([
    [
      '{ postStart: { grpc: { port: 1 } } }',
      'lifecycle.postStart must have exactly one of exec, httpGet, tcpSocket, sleep',
    ],
    ['{ preStop: { sleep: { seconds: -1 } } }', 'lifecycle.preStop.sleep.seconds must be'],
  ])('written as %s is refused by field', (hook, problem) => {
    expect(problemsOf(containerOf(`lifecycle: ${hook}`))).toContainEqual(expect.stringContaining(problem))
  })
})
