import type { AuthenticationOutcome, Authenticator, Credentials, UserInfo } from '../types.ts'
import { API_AUDIENCES, type ServiceAccountTokens, userOf } from './service-account-tokens.ts'

export const anonymous: UserInfo = {
  username: 'system:anonymous',
  uid: '',
  groups: ['system:unauthenticated'],
  extra: {},
}

/** Client certificates, then service-account tokens. What is given and wrong is refused. */
export function createAuthenticator(tokens: ServiceAccountTokens): Authenticator {
  return {
    async authenticate({
      clientCertificate,
      bearerToken,
      audiences = API_AUDIENCES,
    }: Credentials): Promise<AuthenticationOutcome> {
      if (clientCertificate !== undefined) {
        const { commonName: username, organizations } = clientCertificate
        const groups = [...organizations, 'system:authenticated']
        return { kind: 'user', user: { username, uid: '', groups, extra: {} } }
      }
      if (bearerToken === undefined) return { kind: 'anonymous' }
      const verified = await tokens.verify(bearerToken)
      if ('problem' in verified) return { kind: 'refused', problem: verified.problem }
      if (!verified.audiences.some((audience) => audiences.includes(audience)))
        return { kind: 'refused', problem: 'the token is for another audience' }
      return { kind: 'user', user: userOf(verified) }
    },
  }
}
