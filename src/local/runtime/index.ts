export { askIstiod, askTunnel, Captures } from './captures.ts'
export { Cluster } from './cluster.ts'
export { PodMaker, type PodTokenOrder } from './pod-maker.ts'
export type { BlockedPod, ClusterSettings, PlacedPod, PodNode } from './types.ts'
