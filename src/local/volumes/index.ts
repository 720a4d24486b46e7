export type { PodToken, PodTokenRequest } from './files-of-volume.ts'
export { openPodVolumes, type PodVolumesSettings } from './pod-volumes.ts'
