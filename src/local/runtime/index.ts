export { askIstiod, askTunnel, Captures } from './captures.ts'
export { Cluster } from './cluster.ts'
export { isMirror } from './pod-object.ts'
export type { BlockedPod, ClusterSettings, PlacedPod, PodNode } from './types.ts'
