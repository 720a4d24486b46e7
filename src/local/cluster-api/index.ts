export { type ClusterApi, type ClusterApiSettings, openClusterApi } from './cluster-api.ts'
export { MESH_NAMESPACE, type ProgramPod } from './mesh-accounts.ts'
export type { MeshAccount } from './mesh-rights.ts'
