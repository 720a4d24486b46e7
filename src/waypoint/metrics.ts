import type { Metrics } from '#shared/telemetry'
import type { AuthenticationCounters } from './authn/index.ts'
import type { AuthorizationCounters } from './authz/index.ts'

export function authenticationCounters(metrics: Metrics): AuthenticationCounters {
  const tokens = metrics.counters('ambit_waypoint_tokens', 'Requests with a token that a rule asks for', ['outcome'])
  const fetches = metrics.counters('ambit_waypoint_key_fetches', 'Fetches of the keys of issuers', ['outcome'])
  return {
    accepted: tokens.with('accepted'),
    refused: tokens.with('refused'),
    remembered: tokens.with('remembered'),
    keyFetches: fetches.with('begun'),
    keyFetchFailures: fetches.with('failed'),
  }
}

export function authorizationCounters(metrics: Metrics): AuthorizationCounters {
  const decisions = metrics.counters(
    'ambit_waypoint_authorizations',
    'What policies said of requests and connections; dry-run ones beside the others',
    ['decision'],
  )
  return {
    allowed: decisions.with('allowed'),
    denied: decisions.with('denied'),
    wouldDeny: decisions.with('would_deny'),
  }
}
