export { askTunnel, Captures } from './captures.ts'
export {
  type BlockedPod,
  Cluster,
  type ClusterSettings,
  type LiveService,
  type PlacedPod,
  type PodNode,
} from './cluster.ts'
export { PodMaker, type PodMakerSettings, type PodTokenOrder } from './pod-maker.ts'
