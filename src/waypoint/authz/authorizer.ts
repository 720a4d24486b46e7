import { decideRequest, type RequestDecision, type RequestNotes, requestNotes, requestPolicySet } from '#shared/policy'
import type { Counter } from '#shared/telemetry'
import type { Principal } from '../authn/index.ts'
import type { Exchange, LocalReply } from '../codec/index.ts'
import type { InnerConnection } from '../listen/index.ts'
import type { WaypointView } from '../state/index.ts'
import { FactsOfRequest, factsOfConnection } from './facts.ts'

export interface AuthorizationCounters {
  readonly allowed: Counter
  readonly denied: Counter
  /** What a dry-run policy would have refused. */
  readonly wouldDeny: Counter
}

export interface AuthorizerParts {
  readonly view: Pick<WaypointView, 'requestPolicies'>
  /** How many addresses at the end of `x-forwarded-for` are believed; 0 = none. */
  readonly trustedProxies: number
  readonly counters: AuthorizationCounters
  /** What AUDIT and dry-run policies say of a request or connection, for its log line. Called only where there are some. */
  onNotes(of: Exchange | InnerConnection, notes: RequestNotes): void
}

/** A connection that may not be; its `details` are for the log. */
export interface ConnectionRefusal {
  readonly kind: 'refused'
  readonly details: string
}

/** Asks the AuthorizationPolicies of what was dialled. */
export class Authorizer {
  readonly #parts: AuthorizerParts

  constructor(parts: AuthorizerParts) {
    this.#parts = parts
  }

  /** Undefined = it may go on. */
  authorize(exchange: Exchange, who: Principal): LocalReply | undefined {
    const { view, trustedProxies, counters } = this.#parts
    const policies = view.requestPolicies(exchange.connection.destination)
    if (policies.length === 0) {
      counters.allowed.value++
      return undefined
    }
    const { requests } = requestPolicySet(policies)
    const facts = new FactsOfRequest(exchange, who, trustedProxies)
    this.#note(exchange, requestNotes(requests, facts))
    const decision = decideRequest(requests, facts)
    this.#count(decision)
    return decision.kind === 'allowed' ? undefined : denied(detailsOf(decision))
  }

  /** For a connection whose bytes nobody reads: what policies say of requests cannot let it in (istio-control-plane d.1). */
  authorizeConnection(connection: InnerConnection): ConnectionRefusal | undefined {
    const policies = this.#parts.view.requestPolicies(connection.destination)
    const { connections } = requestPolicySet(policies)
    const facts = factsOfConnection(connection)
    this.#note(connection, requestNotes(connections, facts))
    const decision = decideRequest(connections, facts)
    this.#count(decision)
    return decision.kind === 'allowed' ? undefined : { kind: 'refused', details: detailsOf(decision) }
  }

  #note(of: Exchange | InnerConnection, notes: RequestNotes | undefined): void {
    if (notes === undefined) return
    if (notes.wouldDeny !== undefined || notes.wouldAllow === 'no-match') this.#parts.counters.wouldDeny.value++
    this.#parts.onNotes(of, notes)
  }

  #count({ kind }: RequestDecision): void {
    this.#parts.counters[kind].value++
  }
}

/** Envoy's words for which rule it was. */
function detailsOf({ by }: RequestDecision): string {
  const rule = typeof by === 'string' ? 'none' : `ns[${by.namespace}]-policy[${by.name}]-rule[${by.rule}]`
  return `rbac_access_denied_matched_policy[${rule}]`
}

/** Which policy it was is for the log, and not for who was refused. */
function denied(details: string): LocalReply {
  return {
    kind: 'reply',
    status: 403,
    body: 'RBAC: access denied',
    fields: [],
    grpcStatus: PERMISSION_DENIED,
    flag: '',
    details,
    cause: undefined,
  }
}

const PERMISSION_DENIED = 7
