export { type Authorization, Authorizer, type AuthorizerOptions } from './authorize.ts'
export { watchPolicies } from './policy-watch.ts'
export { type Denial, newestDenials, Verdicts } from './verdicts.ts'
