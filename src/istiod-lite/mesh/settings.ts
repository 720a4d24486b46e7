/** What holds for the whole mesh and does not change while the program runs. */
export interface MeshSettings {
  /** First part of every uid and the `cluster_id` of workloads. */
  readonly clusterId: string
  readonly trustDomain: string
  /** Last part of service host names. */
  readonly clusterDomain: string
  /** Its namespace-wide policies hold for the mesh; its topology label names the network. */
  readonly rootNamespace: string
  /** Namespaces whose pods are never enrolled. */
  readonly excludedNamespaces: ReadonlySet<string>
  /** Dry-run policies go to the tunnels, which tell what they would have done; else they are refused. */
  readonly isDryRunSent: boolean
  /**
   * What says that a tunnel answers for a pod: what node agents write on it, as on a cluster, or, where nobody can write
   * it, the labels by which every agent decides.
   */
  readonly captureSign: 'annotation' | 'labels'
}

export function serviceHostname(name: string, namespace: string, settings: MeshSettings): string {
  return `${name}.${namespace}.svc.${settings.clusterDomain}`
}
