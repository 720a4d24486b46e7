import { describe, expect, it } from 'vitest'
import type { PodStatus } from '#shared/control'
import { type ShownStatus, statusText } from '../../../../src/cli/commands/status-text.ts'

const pod = (change: Partial<PodStatus>): PodStatus => ({
  namespace: 'shop',
  name: 'payments-6c9f8d7b5c-x2x7k',
  uid: 'u',
  node: 'node-a',
  addresses: ['10.244.1.34', 'fd00:10:244:1::22'],
  identity: 'spiffe://cluster.local/ns/shop/sa/payments',
  enrolled: true,
  captured: true,
  ready: true,
  phase: 'running',
  reason: '',
  pid: 12345,
  restarts: 0,
  netns: '',
  containers: [],
  ...change,
})

const status: ShownStatus = {
  version: '1',
  state: 'ready',
  ready: false,
  startedAt: '2026-12-01T00:00:00.000Z',
  stateDir: '/home/somebody/projects/shop/.ambit',
  pid: 1,
  netns: '',
  nodes: [],
  programs: [
    {
      name: 'istiod-lite',
      node: undefined,
      state: 'ready',
      ready: true,
      pid: 1234567,
      restarts: 0,
      reason: '',
      log: '',
      netns: '',
    },
    {
      name: 'node-agent',
      node: 'node-a',
      state: 'backing-off',
      ready: false,
      pid: undefined,
      restarts: 17,
      reason: 'exit status 1, tried again in 10 s',
      log: '',
      netns: '',
    },
  ],
  pods: [
    pod({}),
    pod({ name: 'web', enrolled: false, captured: false, ready: false, reason: 'CrashLoop', restarts: 3 }),
  ],
  services: [
    {
      namespace: 'shop',
      name: 'payments',
      addresses: ['fd00:10:96::c1d2:e3f4', '10.96.12.34'],
      ports: ['80/TCP', '9090/TCP'],
      readyEndpoints: 1,
      endpoints: 2,
    },
  ],
  problems: [{ where: 'shop/web', line: undefined, path: 'spec', problem: 'wrong' }],
  api: { server: 'https://127.0.0.1:34567', kubeconfig: '/home/somebody/projects/shop/.ambit/kubeconfig' },
}

describe('a status as text', () => {
  it('shows programs, pods and services, and says below each table what is to be said of its rows', () => {
    expect(statusText(status)).toBe(`The mesh is ready, up since 2026-12-01T00:00:00.000Z
State: /home/somebody/projects/shop/.ambit
Kubernetes API: https://127.0.0.1:34567
Kubeconfig: /home/somebody/projects/shop/.ambit/kubeconfig

PROGRAM       NODE     STATE         PID       RESTARTS
istiod-lite   -        ready         1234567   0
node-agent    node-a   backing-off   -         17
  node-agent on node-a: exit status 1, tried again in 10 s

POD                              READY   NODE     ADDRESS       ACCOUNT    MESH
shop/payments-6c9f8d7b5c-x2x7k   yes     node-a   10.244.1.34   payments   yes
shop/web                         no      node-a   10.244.1.34   -          no
  shop/web: CrashLoop; 3 restarts

SERVICE         ADDRESS                 PORTS             ENDPOINTS
shop/payments   fd00:10:96::c1d2:e3f4   80/TCP,9090/TCP   1/2

Problems (the last good state stays):
  shop/web: spec: wrong
`)
  })

  it('fits into 80 columns, with names as deployments make them', () => {
    const widths = statusText(status)
      .split('\n')
      .map(({ length }) => length)
    expect(Math.max(...widths)).toBeLessThanOrEqual(80)
  })
})
