export { type CompiledPolicy, compilePolicy } from './compile.ts'
export { decide, denialReason, dryRunVerdicts } from './decide.ts'
export { PolicySet } from './policy-set.ts'
export type { ConnectionFacts, Decision, DryRunVerdicts } from './types.ts'
