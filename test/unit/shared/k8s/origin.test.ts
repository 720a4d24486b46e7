import { describe, expect, it } from 'vitest'
import { decideOrigin, type OriginSettings } from '#shared/k8s'

const nothing: OriginSettings = {
  kubeDir: undefined,
  kubeconfig: undefined,
  kubernetesServiceHost: undefined,
  kubernetesServicePort: undefined,
}
const pod = { kubernetesServiceHost: '10.96.0.1', kubernetesServicePort: 6443 }

describe('objects come from', () => {
  it.each<[string, Partial<OriginSettings>, object]>([
    ['a folder', { kubeDir: '/k' }, { kind: 'folder', dir: '/k' }],
    ['a kubeconfig', { kubeconfig: '/c' }, { kind: 'kubeconfig', files: ['/c'] }],
    ['several kubeconfigs', { kubeconfig: '/a::/b' }, { kind: 'kubeconfig', files: ['/a', '/b'] }],
    ['the cluster around a pod', pod, { kind: 'in-cluster', host: '10.96.0.1', port: 6443 }],
    ['its usual port', { kubernetesServiceHost: 'h' }, { kind: 'in-cluster', host: 'h', port: 443 }],
    ['a folder, also in a pod', { ...pod, kubeDir: '/k' }, { kind: 'folder', dir: '/k' }],
    ['a kubeconfig, also in a pod', { ...pod, kubeconfig: '/c' }, { kind: 'kubeconfig', files: ['/c'] }],
  ])('%s', (_, settings, origin) => {
    expect(decideOrigin({ ...nothing, ...settings })).toEqual(origin)
  })

  it.each<[string, Partial<OriginSettings>, string, RegExp]>([
    ['two places', { kubeDir: '/k', kubeconfig: '/c' }, 'KUBECONFIG', /cannot stand beside AMBIT_KUBE_DIR/],
    ['a list without files', { kubeconfig: ':' }, 'KUBECONFIG', /names no file/],
    ['no place at all', {}, 'AMBIT_KUBE_DIR', /must be set, outside of a pod/],
  ])('one place: %s is refused', (_, settings, name, reason) => {
    const decision = decideOrigin({ ...nothing, ...settings })
    expect(decision).toMatchObject({ kind: 'undecided', problem: { name, reason: expect.stringMatching(reason) } })
  })
})
