import { describe, expect, it } from 'vitest'
import { prefetchCertificates } from '../../../src/ztunnel/prefetch.ts'
import { addressUpdate, meshOf, workload } from '../../support/mesh-builder.ts'

function follow(nodeName: string | undefined) {
  const mesh = meshOf([workload({ name: 'a', serviceAccount: 'x' })])
  const told: string[] = []
  const stop = prefetchCertificates(
    mesh,
    { warmUp: (id) => void told.push(`+${id.slice(-1)}`), forget: (id) => void told.push(`-${id.slice(-1)}`) },
    nodeName,
  )
  return { mesh, told, stop }
}

describe('prefetchCertificates', () => {
  it('fetches for the workloads that are there, that come and that change, and forgets those that go', () => {
    const { mesh, told, stop } = follow('node-a')
    mesh.applyAddresses(addressUpdate([workload({ name: 'b', serviceAccount: 'y' })]))
    mesh.applyAddresses(addressUpdate([workload({ name: 'b', serviceAccount: 'y', canonicalName: 'new' })]))
    mesh.applyAddresses(addressUpdate([workload({ name: 'b', serviceAccount: 'z' })]))
    mesh.applyAddresses(addressUpdate([], ['Kubernetes//Pod/default/a']))
    expect(told).toEqual(['+x', '+y', '+z', '-y', '-x'])
    stop()
    mesh.applyAddresses(addressUpdate([workload({ name: 'c', serviceAccount: 'w' })]))
    expect(told.length).toBe(5)
  })

  it.each([
    ['of other nodes', { node: 'node-b' }],
    ['that take plain TCP only', { protocol: 'TCP' as const }],
    ['without an identity', { serviceAccount: '' }],
  ])('leaves workloads alone %s', (_, change) => {
    const { mesh, told } = follow('node-a')
    mesh.applyAddresses(addressUpdate([workload({ name: 'b', serviceAccount: 'y', ...change })]))
    expect(told).toEqual(['+x'])
  })

  it('fetches for a workload that tunnels itself', () => {
    const { mesh, told } = follow('node-a')
    mesh.applyAddresses(
      addressUpdate([workload({ name: 'b', serviceAccount: 'y', protocol: 'TCP', nativeTunnel: true })]),
    )
    expect(told).toEqual(['+x', '+y'])
  })

  it('fetches nothing when the node has no name, for nothing is known to be local', () => {
    expect(follow(undefined).told).toEqual([])
  })
})
