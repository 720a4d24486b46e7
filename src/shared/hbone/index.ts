export { type Baggage, type BaggageSource, formatBaggage, parseBaggage } from './baggage.ts'
export { answerHeaders, type ConnectFacts, connectHeaders, headerValue, headerValues } from './connect-headers.ts'
export { formatConnectTarget, parseConnectTarget } from './connect-target.ts'
export { type Forwarded, parseForwarded } from './forwarded.ts'
export {
  childTraceparent,
  formatTraceparent,
  newTraceparent,
  parseTraceparent,
  type Traceparent,
} from './traceparent.ts'
export type * from './types.ts'
