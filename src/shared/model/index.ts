export type {
  Authorization,
  AuthorizationClause,
  AuthorizationMatch,
  AuthorizationRule,
  ServiceAccountMatch,
  StringMatch,
} from './authorization.ts'
export { type LoadBalancer, type LoadBalancingScope, type Service, serviceKey } from './service.ts'
export { parseSpiffeId, type SpiffeId, type SpiffeParts, spiffeId, spiffeParts } from './spiffe-id.ts'
export type {
  ApplicationTunnel,
  GatewayAddress,
  GatewayDestination,
  Locality,
  NetworkAddress,
  PortMapping,
  TunnelProtocol,
  Workload,
  WorkloadType,
} from './workload.ts'
