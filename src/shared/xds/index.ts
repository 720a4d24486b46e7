export { type AdsClientObserver, type AdsClientSettings, startAdsClient } from './ads-client.ts'
export { adsClientMetrics } from './ads-client-metrics.ts'
export { AdsServer, type AdsServerSettings, type Authenticator, type ClientStatus } from './ads-server.ts'
export type { AdsServerObserver, ConnectedClient, ResourceSource, SentResponse } from './ads-stream.ts'
export { CaClient, type SigningRequest } from './ca-client.ts'
export { type CertificateCall, certificateHandler, type IssueCertificate } from './ca-service.ts'
export {
  type ControlPlaneEndpoint,
  parseControlPlaneUrl,
  type RootSource,
  rootSource,
  type TokenSource,
  tokenSource,
} from './endpoint.ts'
export type { TerminationReason } from './reconnect.ts'
export { addressType, authorizationType } from './resource-types.ts'
export {
  type CallFacts,
  type RpcHandler,
  type RpcServer,
  type RpcServerSettings,
  type ServerKeyPair,
  startRpcServer,
} from './rpc-server.ts'
export { type ProxyState, type StatusServiceSettings, statusHandler } from './status-service.ts'
export type { StreamGateSettings } from './stream-gate.ts'
export type { JsonObject, JsonValue } from './struct.ts'
export type * from './types.ts'
export type { Delta, PushMark, ResourceView } from './watch.ts'
export {
  clusterType,
  rateLimitType,
  requestPolicyType,
  routesType,
  telemetryType,
  tokenPolicyType,
  workloadLabelsType,
} from './waypoint-types.ts'
