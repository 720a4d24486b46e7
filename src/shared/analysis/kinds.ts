/** The kinds that checks look at, as `AnalysedObject.kind` names them; for those who have to fetch them. */
export const ANALYSED_KINDS: readonly string[] = [
  'Namespace',
  'Service',
  'Pod',
  'Deployment.apps',
  'StatefulSet.apps',
  'DaemonSet.apps',
  'VirtualService.networking.istio.io',
  'DestinationRule.networking.istio.io',
  'Gateway.networking.istio.io',
  'ServiceEntry.networking.istio.io',
  'WorkloadEntry.networking.istio.io',
  'AuthorizationPolicy.security.istio.io',
  'PeerAuthentication.security.istio.io',
  'RequestAuthentication.security.istio.io',
  'Telemetry.telemetry.istio.io',
  'GatewayClass.gateway.networking.k8s.io',
  'Gateway.gateway.networking.k8s.io',
  'HTTPRoute.gateway.networking.k8s.io',
  'GRPCRoute.gateway.networking.k8s.io',
  'TCPRoute.gateway.networking.k8s.io',
  'TLSRoute.gateway.networking.k8s.io',
  'ReferenceGrant.gateway.networking.k8s.io',
  'RateLimit.ambit.dev',
  // Not served: only to be told so.
  'WorkloadGroup.networking.istio.io',
  'EnvoyFilter.networking.istio.io',
  'WasmPlugin.extensions.istio.io',
  'ProxyConfig.networking.istio.io',
  'BackendTLSPolicy.gateway.networking.k8s.io',
]

/** Those of no namespace. */
const CLUSTER_KINDS = ['Namespace', 'GatewayClass.gateway.networking.k8s.io']

/** `Service`, or with its group: `VirtualService.networking.istio.io`. */
export function analysedKind(apiVersion: string, kind: string): string {
  const [group = '', version] = apiVersion.split('/')
  return version === undefined ? kind : `${kind}.${group}`
}

export function isClusterKind(kind: string): boolean {
  return CLUSTER_KINDS.includes(kind)
}
