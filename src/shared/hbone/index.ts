export { acceptTunnels, type TunnelServerConnection, type TunnelServerSettings } from './accept.ts'
export { type Baggage, type BaggageSource, formatBaggage, parseBaggage } from './baggage.ts'
export { answerHeaders, type ConnectFacts, connectHeaders, headerValue, headerValues } from './connect-headers.ts'
export { formatConnectTarget, parseConnectTarget } from './connect-target.ts'
export { type Forwarded, forwardedHost, parseForwarded } from './forwarded.ts'
export { endWhenHalfOpen } from './half-open.ts'
export { HandshakeGate, type HandshakeGateSettings } from './handshake-gate.ts'
export { describeRefusal, type RefusalStatus, refusalStatus } from './refuse.ts'
export { H2StreamPump } from './stream-pump.ts'
export {
  childTraceparent,
  formatTraceparent,
  newTraceparent,
  parseTraceparent,
  type Traceparent,
} from './traceparent.ts'
export { createTunnelPool, type TunnelPoolSettings } from './tunnel-pool.ts'
export type * from './types.ts'
