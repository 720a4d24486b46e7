import { DEFAULT_EXCLUDED_NAMESPACES } from '#shared/k8s'
import type { MeshSettings } from '../../src/istiod-lite/mesh/index.ts'

export const meshSettings: MeshSettings = {
  clusterId: 'Kubernetes',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  excludedNamespaces: DEFAULT_EXCLUDED_NAMESPACES,
}
