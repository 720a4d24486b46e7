export { askTunnel, Captures } from './captures.ts'
export {
  type BlockedPod,
  Cluster,
  type ClusterSettings,
  type PlacedPod,
  type PodNode,
} from './cluster.ts'
