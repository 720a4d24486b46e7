export { type ClusterApi, type ClusterApiSettings, openClusterApi } from './cluster-api.ts'
export { MESH_NAMESPACE, type MeshAccount, type TunnelPod } from './mesh-accounts.ts'
