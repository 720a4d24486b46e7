import { describe, expect, it } from 'vitest'
import { type MeshPod, podCalled } from '../../../../src/cli/cluster/index.ts'

const pod = (name: string, node: string): MeshPod => ({ id: { name, namespace: 'istio-system' }, node, isReady: true })
const pods = [pod('ztunnel-1', 'node-a'), pod('ztunnel-2', 'node-b')]

describe('a tunnel of several', () => {
  it.each(['ztunnel-2', 'ztunnel-2.istio-system', 'pod/ztunnel-2', 'pod/ztunnel-2.istio-system', 'node-b'])(
    'is found as %s',
    (called) => {
      expect(podCalled(pods, called)).toBe(pods[1])
    },
  )

  it.each(['ztunnel-3', '', 'ztunnel-2.shop'])('is not found as %j, and the others are named', (called) => {
    expect(() => podCalled(pods, called)).toThrow('there are ztunnel-1 (node-a), ztunnel-2 (node-b)')
    expect(() => podCalled([], called)).toThrow('there are none')
  })
})
