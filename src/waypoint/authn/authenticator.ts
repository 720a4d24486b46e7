import type { Clock } from '#shared/clock'
import type { MeshError } from '#shared/errors'
import type { TokenIssuer, TokenPolicy } from '#shared/l7'
import type { Counter } from '#shared/telemetry'
import type { Exchange, LocalReply, RequestHead } from '../codec/index.ts'
import type { InnerConnection } from '../listen/index.ts'
import type { WaypointView } from '../state/index.ts'
import { type AcceptedToken, AcceptedTokens } from './accepted-tokens.ts'
import { addClaimHeaders, removeClaimHeaders } from './claim-headers.ts'
import type { FetchDocument } from './fetch-document.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { type ClaimedToken, readToken } from './read-token.ts'
import { refusal } from './refusal.ts'
import { removeTokensAt, tokensAt } from './token-places.ts'
import type { TokenProblem } from './token-problem.ts'
import type { Principal, VerifiedToken } from './types.ts'

export interface AuthenticationCounters {
  /** Requests with a token that a rule took. */
  readonly accepted: Counter
  readonly refused: Counter
  /** Of those that were accepted: nothing had to be verified. */
  readonly remembered: Counter
  readonly keyFetches: Counter
  readonly keyFetchFailures: Counter
}

export interface AuthenticatorParts {
  readonly view: Pick<WaypointView, 'tokenPolicies'>
  readonly clock: Clock
  readonly fetchDocument: FetchDocument
  readonly counters: AuthenticationCounters
  /** Keys that could not be fetched, for the log; at most once a minute for each place. */
  onKeysUnavailable(error: MeshError): void
}

/** Clocks of issuers and waypoints may be that far apart. */
const CLOCK_SKEW_S = 60
/** More tokens in a request are nobody's. */
const MAX_TOKENS = 8

const rulesOfList = new WeakMap<readonly TokenPolicy[], readonly TokenIssuer[]>()
const peers = new WeakMap<InnerConnection, Principal>()

/** Who asks: the peer as mTLS has proven it, and whose token came with the request (istio-control-plane d.2). */
export class Authenticator {
  readonly #parts: AuthenticatorParts
  readonly #keys: IssuerKeys
  readonly #accepted = new AcceptedTokens()

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
    const { clock, fetchDocument, counters, onKeysUnavailable } = parts
    const { keyFetches: fetches, keyFetchFailures: failures } = counters
    this.#keys = new IssuerKeys({ clock, fetchDocument, fetches, failures, onFailure: onKeysUnavailable })
  }

  /**
   * A request without a token passes as nobody; one with tokens needs one rule that takes all that are at its places. What is
   * known already is answered at once.
   */
  authenticate(exchange: Exchange): Principal | LocalReply | Promise<Principal | LocalReply> {
    const { connection, request } = exchange
    const policies = this.#parts.view.tokenPolicies(connection.destination)
    if (policies.length === 0) return peerOnly(connection)
    const rules = rulesOf(policies)
    const found = isPreflight(request) ? [] : foundBy(rules, request)
    for (const rule of rules) removeClaimHeaders(request.fields, rule)
    if (found.length === 0) return peerOnly(connection)
    const known = this.#known(found)
    if (known === 'unknown') return this.#verify(found).then((outcome) => this.#finish(exchange, rules, outcome))
    this.#parts.counters.remembered.value++
    return this.#finish(exchange, rules, known)
  }

  /** What a rule has taken before with the keys that it has now, when those before it would say no again. */
  #known(found: readonly Found[]): AcceptedToken | 'unknown' {
    const text = found[0]?.tokens[0] ?? ''
    const accepted = this.#accepted.get(text)
    if (accepted === undefined) return 'unknown'
    for (const { rule, tokens } of found) {
      if (tokens.length > 1 || tokens[0] !== text) return 'unknown'
      const wouldRefuse = this.#claimsProblem(rule, accepted.token) !== undefined
      if (rule === accepted.rule) {
        return !wouldRefuse && this.#keys.current(rule) === accepted.keys ? accepted : 'unknown'
      }
      if (!wouldRefuse) return 'unknown'
    }
    return 'unknown'
  }

  /** By the first rule that takes all of its tokens; otherwise the most telling reason why none did. */
  async #verify(found: readonly Found[]): Promise<AcceptedToken | TokenProblem> {
    let problem: TokenProblem = 'Jwt issuer is not configured'
    for (const { rule, tokens } of found) {
      const outcome = await this.#verifyAll(rule, tokens)
      if (typeof outcome !== 'string') return outcome
      if (problem === 'Jwt issuer is not configured') problem = outcome
    }
    return problem
  }

  async #verifyAll(rule: TokenIssuer, tokens: readonly string[]): Promise<AcceptedToken | TokenProblem> {
    let first: AcceptedToken | undefined
    if (tokens.length > MAX_TOKENS) return 'Jwt verification fails'
    for (const text of tokens) {
      const outcome = await this.#verifyOne(rule, text)
      if (typeof outcome === 'string') return outcome
      first ??= outcome
    }
    return first ?? 'Jwt verification fails'
  }

  async #verifyOne(rule: TokenIssuer, text: string): Promise<AcceptedToken | TokenProblem> {
    const token = readToken(text)
    if (typeof token === 'string') return token
    const problem = this.#claimsProblem(rule, token)
    if (problem !== undefined) return problem
    const signed = await this.#keys.verify(rule, token)
    if (typeof signed === 'string') return signed
    const accepted = { rule, keys: signed.keys, token, verified: verifiedToken(token, rule) }
    this.#accepted.put(accepted)
    return accepted
  }

  /** What a rule would say of a token that its issuer has signed. */
  #claimsProblem(rule: TokenIssuer, token: ClaimedToken): TokenProblem | undefined {
    const { issuer, audiences, expiresAtS, notBeforeS } = token
    if (issuer !== rule.issuer) return 'Jwt issuer is not configured'
    const nowS = this.#parts.clock.nowMs() / 1000
    if (expiresAtS !== undefined && nowS > expiresAtS + CLOCK_SKEW_S) return 'Jwt is expired'
    if (notBeforeS !== undefined && nowS < notBeforeS - CLOCK_SKEW_S) return 'Jwt not yet valid'
    const isForUs = rule.audiences.length === 0 || audiences.some((audience) => rule.audiences.includes(audience))
    return isForUs ? undefined : 'Audiences in Jwt are not allowed'
  }

  #finish(
    exchange: Exchange,
    rules: readonly TokenIssuer[],
    outcome: AcceptedToken | TokenProblem,
  ): Principal | LocalReply {
    const { connection, request } = exchange
    const { counters } = this.#parts
    if (typeof outcome === 'string') {
      counters.refused.value++
      return refusal(request, outcome)
    }
    counters.accepted.value++
    removeTokens(request, rules, outcome)
    addClaimHeaders(request.fields, outcome.rule, outcome.token)
    return { peer: connection.peer, token: outcome.verified }
  }
}

/** Tokens at the places of one rule. */
interface Found {
  readonly rule: TokenIssuer
  readonly tokens: readonly string[]
}

function foundBy(rules: readonly TokenIssuer[], request: RequestHead): readonly Found[] {
  const found: Found[] = []
  for (const rule of rules) {
    const tokens = rule.locations.flatMap((location) => tokensAt(request, location))
    if (tokens.length > 0) found.push({ rule, tokens })
  }
  return found
}

/** Only the token that was accepted goes on, and only where its rule wants that: endpoints take others for verified. */
function removeTokens(request: RequestHead, rules: readonly TokenIssuer[], { rule: accepted }: AcceptedToken): void {
  const kept = accepted.forwardsToken ? accepted.locations : []
  for (const rule of rules) {
    if (rule === accepted && accepted.forwardsToken) continue
    for (const location of rule.locations) {
      const isKept = kept.some(({ kind, name }) => kind === location.kind && name === location.name)
      if (!isKept) removeTokensAt(request, location)
    }
  }
}

/** Of all policies together, by issuer. */
function rulesOf(policies: readonly TokenPolicy[]): readonly TokenIssuer[] {
  const known = rulesOfList.get(policies)
  if (known !== undefined) return known
  const rules = policies.flatMap(({ issuers }) => issuers)
  rules.sort((a, b) => (a.issuer < b.issuer ? -1 : a.issuer > b.issuer ? 1 : 0))
  rulesOfList.set(policies, rules)
  return rules
}

function peerOnly(connection: InnerConnection): Principal {
  const known = peers.get(connection)
  if (known !== undefined) return known
  const made = { peer: connection.peer, token: undefined }
  peers.set(connection, made)
  return made
}

/** Browsers send no token with the question whether they may send one. */
function isPreflight({ method, fields }: RequestHead): boolean {
  return method === 'OPTIONS' && fields.has('origin') && fields.has('access-control-request-method')
}

function verifiedToken(token: ClaimedToken, { spacedClaims }: TokenIssuer): VerifiedToken {
  const { issuer, subject, audiences, claims } = token
  const presenter = typeof claims.azp === 'string' ? claims.azp : undefined
  return { principal: `${issuer}/${subject}`, issuer, subject, audiences, presenter, claims, spacedClaims }
}
