import type { TestPod } from './pod-network.ts'

/** Pods as `LOCAL_XDS_PATH` takes them: each a workload of its own account that speaks HBONE. */
export function localMeshOf(pods: readonly TestPod[]): string {
  return JSON.stringify({ services: [], policies: [], workloads: pods.map(workloadOf) })
}

function workloadOf({ name, ip, ip6 }: TestPod): object {
  return {
    uid: `Kubernetes//Pod/default/${name}`,
    name,
    namespace: 'default',
    serviceAccount: name,
    trustDomain: 'cluster.local',
    workloadIps: [ip, ip6],
    protocol: 'HBONE',
    node: 'node-a',
    clusterId: 'Kubernetes',
    services: {},
  }
}
