export { claimAt } from './claims.ts'
export { type CompiledPolicy, compilePolicy } from './compile.ts'
export { decide, denialReason, dryRunVerdicts } from './decide.ts'
export {
  decideRequest,
  type PolicyLayer,
  type RequestDecision,
  type RequestNotes,
  type RequestPolicySet,
  requestNotes,
  requestPolicySet,
} from './decide-request.ts'
export { PolicySet } from './policy-set.ts'
export type { AddressFact, PeerFacts, RequestFacts, TokenFacts } from './request-facts.ts'
export type { RuleName } from './request-rules.ts'
export type { ConnectionFacts, Decision, DryRunVerdicts } from './types.ts'
