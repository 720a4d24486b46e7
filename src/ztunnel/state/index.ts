export { addressFeed, authorizationFeed } from './feed.ts'
export { findGateway, type Gateway, gatewayIncludes, gatewayName } from './gateway.ts'
export { MeshState, type MeshStateOptions } from './mesh-state.ts'
export type { ApplicablePolicies, Endpoint, MeshView } from './types.ts'
