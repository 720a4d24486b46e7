export { type ContainerLogSettings, openContainerLog, openLeftLog } from './container-log.ts'
export { containerLogDir, type PodName, removeLeftoverLogs, removePodLogs } from './pod-folders.ts'
export type { LogLimits } from './run-files.ts'
export type * from './types.ts'
