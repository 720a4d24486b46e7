export { addressKey, type MeshAddress } from './address.ts'
export type {
  Authorization,
  AuthorizationClause,
  AuthorizationMatch,
  AuthorizationRule,
  ServiceAccountMatch,
  StringMatch,
} from './authorization.ts'
export {
  type AppProtocol,
  type LoadBalancer,
  type LoadBalancingScope,
  type Service,
  type ServicePort,
  serviceKey,
} from './service.ts'
export { parseSpiffeId, type SpiffeId, type SpiffeParts, spiffeId, spiffeParts } from './spiffe-id.ts'
export {
  type ApplicationTunnel,
  type GatewayAddress,
  type GatewayDestination,
  type Locality,
  type NetworkAddress,
  type PortMapping,
  type TunnelProtocol,
  type Workload,
  type WorkloadType,
  workloadIdentity,
} from './workload.ts'
