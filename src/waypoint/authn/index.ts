export { type AuthenticationCounters, Authenticator, type AuthenticatorParts } from './authenticator.ts'
export { documentFetcher, type FetchDocument } from './fetch-document.ts'
export { mayFetchFrom } from './reachable.ts'
export type * from './types.ts'
