export { Inbound, type InboundOptions } from './inbound.ts'
export { PlaintextInbound } from './plaintext.ts'
export type { InboundPlan, PlaintextRequest, TunnelledRequest } from './types.ts'
