export { type ClusterApi, type ClusterApiSettings, openClusterApi } from './cluster-api.ts'
export { type MeshAccount, MESH_NAMESPACE, type TunnelPod } from './mesh-accounts.ts'
