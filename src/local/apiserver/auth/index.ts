export { anonymous, createAuthenticator } from './authenticate.ts'
export { ApiAuthority, type KeyPair } from './authority.ts'
export { checkBindingWrite, checkRoleWrite } from './escalation.ts'
export { type PolicyRule, RbacAuthorizer } from './rbac.ts'
export {
  API_AUDIENCES,
  type BoundObject,
  ISSUER,
  ServiceAccountTokens,
  type TokenSubject,
} from './service-account-tokens.ts'
