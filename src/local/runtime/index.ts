export { askTunnel, Captures } from './captures.ts'
export { type BlockedPod, Cluster, type ClusterSettings, type LiveService, type PlacedPod } from './cluster.ts'
export { SYSTEM_NAMESPACE, type SystemPod } from './live-objects.ts'
