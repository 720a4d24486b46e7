import type { JwtRule, RequestAuthentication } from '#shared/k8s'
import type { TokenIssuer, TokenLocation, TokenPolicy } from '#shared/l7'

const FETCH_TIMEOUT_MS = 5_000
/** Lists with spaces between, by OAuth's definition. */
const SPACED_CLAIMS = ['scope', 'permission'] as const

/** A RequestAuthentication as waypoints enforce it (istio-control-plane d.2); undefined without any rule. */
export function tokenPolicy({ metadata, spec }: RequestAuthentication): Omit<TokenPolicy, 'targets'> | undefined {
  if (spec.jwtRules.length === 0) return undefined
  const issuers = spec.jwtRules.map(issuerOf).sort((a, b) => (a.issuer < b.issuer ? -1 : a.issuer > b.issuer ? 1 : 0))
  return { namespace: metadata.namespace, name: metadata.name, issuers }
}

function issuerOf(rule: JwtRule): TokenIssuer {
  return {
    issuer: rule.issuer,
    audiences: rule.audiences,
    keys: keysOf(rule),
    locations: locationsOf(rule),
    forwardsToken: rule.forwardOriginalToken,
    payloadHeader: rule.outputPayloadToHeader.toLowerCase(),
    claimHeaders: rule.outputClaimToHeaders.map(({ header, claim }) => ({
      name: header.toLowerCase(),
      claim: claim.split('.'),
    })),
    spacedClaims: [...new Set([...SPACED_CLAIMS, ...rule.spaceDelimitedClaims])],
  }
}

function keysOf({ jwks, jwksUri, timeoutMs }: JwtRule): TokenIssuer['keys'] {
  if (jwks !== '') return { kind: 'inline', jwks }
  const timeout = timeoutMs || FETCH_TIMEOUT_MS
  return jwksUri === ''
    ? { kind: 'discovered', timeoutMs: timeout }
    : { kind: 'remote', uri: jwksUri, timeoutMs: timeout }
}

/** Whatever is said takes the place of both usual places. */
function locationsOf({ fromHeaders, fromParams, fromCookies }: JwtRule): readonly TokenLocation[] {
  const said: TokenLocation[] = [
    ...fromHeaders.map(({ name, prefix }): TokenLocation => ({ kind: 'header', name: name.toLowerCase(), prefix })),
    ...fromParams.map((name): TokenLocation => ({ kind: 'query', name })),
    ...fromCookies.map((name): TokenLocation => ({ kind: 'cookie', name })),
  ]
  if (said.length > 0) return said
  return [
    { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
    { kind: 'query', name: 'access_token' },
  ]
}
