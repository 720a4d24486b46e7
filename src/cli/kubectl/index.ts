export { type Applied, apply, FIELD_MANAGER } from './apply.ts'
export { type ApplyFlags, withApplyFlags } from './apply-flags.ts'
export { plainFlags } from './bool-flags.ts'
export { type LogFlags, logOrder, withLogFlags } from './log-flags.ts'
export {
  builtinKubectl,
  builtinNames,
  type GlobalFlags,
  KUBECTL_ADVICE,
  NO_KUBECTL,
  type WithSession,
} from './program.ts'
export { Session, type SessionParts } from './session.ts'
