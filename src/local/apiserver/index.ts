export { ApiError } from './api-error.ts'
export { type ApiServer, type ApiServerSettings, apiServerDefaults, startApiServer } from './api-server.ts'
export { type KubeconfigContents, kubeconfigText, writeKubeconfig } from './kubeconfig.ts'
export type * from './types.ts'
