export { ContainerConsoles } from './container-consoles.ts'
export { startIn } from './exec.ts'
export { createPodStreams, type PodStreamSettings } from './pod-streams.ts'
export type * from './types.ts'
