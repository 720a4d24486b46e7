export { type ClusterApi, type ClusterApiSettings, openClusterApi } from './cluster-api.ts'
export { MESH_NAMESPACE, type MeshAccount, type ProgramPod } from './mesh-accounts.ts'
