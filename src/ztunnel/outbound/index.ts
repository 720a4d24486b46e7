export { HostnameResolver } from './hostname-resolver.ts'
export { Outbound, type OutboundOptions } from './outbound.ts'
export type { OutboundPlan, OutboundRequest } from './types.ts'
