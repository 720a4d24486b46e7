export { type ApplyFlags, apply, FIELD_MANAGER } from './apply.ts'
export {
  builtinKubectl,
  builtinNames,
  type GlobalFlags,
  KUBECTL_ADVICE,
  NO_KUBECTL,
  type WithSession,
} from './program.ts'
export { Session, type SessionParts } from './session.ts'
