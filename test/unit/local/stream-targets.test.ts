import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../src/local/apiserver/index.ts'
import { findTools } from '../../../src/local/host/index.ts'
import { ContainerConsoles } from '../../../src/local/pod-streams/index.ts'
import { type StreamTargetSettings, StreamTargets } from '../../../src/local/stream-targets.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

function program(key: string, node: string | undefined): ReturnType<StreamTargetSettings['programs']>[number] {
  // Of its specification only this is looked at.
  const spec = { node, netnsPath: '/proc/7/ns/net' } as ReturnType<StreamTargetSettings['programs']>[number]['spec']
  return { key, spec, logFile: `/nowhere/${key}.log` }
}

const tools = findTools(process.env.PATH ?? '')
const targets = new StreamTargets({
  cluster: () => undefined,
  programs: () => [program('istiod-lite', undefined), program('ztunnel-node-a', 'node-a')],
  tools,
  consoles: new ContainerConsoles(tools.setsid),
  podLogsDir: '/nowhere',
  clock: new FakeClock(),
  logger: quietLogger,
})

function mirror(namespace: string, name: string): ApiObject {
  const annotations = { 'kubernetes.io/config.mirror': 'x' }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, annotations } }
}

describe('pods that stand for programs of the mesh', () => {
  it.each([
    ['istio-system', 'ztunnel-node-a', 'program', '/proc/7/ns/net'],
    ['istio-system', 'istiod-lite', 'program', '/proc/self/ns/net'],
    ['istio-system', 'ztunnel-node-z', 'absent', undefined],
    // Else whoever may write pods there would reach the node's loopback.
    ['shop', 'ztunnel-node-a', 'absent', undefined],
  ])('%s/%s is %s, and its ports are in %s', (namespace, name, kind, netns) => {
    const pod = mirror(namespace, name)
    expect(targets.container(pod, 'istio-proxy').kind).toBe(kind)
    expect(targets.netnsPath(pod)).toBe(netns)
  })
})
