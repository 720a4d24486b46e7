import type { TestPod } from './pod-network.ts'

/** A pod as its mesh knows it. */
export interface MeshPod extends Pick<TestPod, 'name' | 'ip' | 'ip6'> {
  /** Default `node-a`. */
  readonly node?: string
}

/** Pods as `LOCAL_XDS_PATH` takes them: each a workload of its own account that speaks HBONE. */
export function localMeshOf(pods: readonly MeshPod[]): string {
  return JSON.stringify({ services: [], policies: [], workloads: pods.map(workloadOf) })
}

function workloadOf({ name, ip, ip6, node = 'node-a' }: MeshPod): object {
  return {
    uid: `Kubernetes//Pod/default/${name}`,
    name,
    namespace: 'default',
    serviceAccount: name,
    trustDomain: 'cluster.local',
    workloadIps: [ip, ip6],
    protocol: 'HBONE',
    node,
    clusterId: 'Kubernetes',
    services: {},
  }
}
