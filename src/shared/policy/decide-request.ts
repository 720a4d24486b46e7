import type { RequestPolicy } from '#shared/l7'
import type { PeerFacts, RequestFacts } from './request-facts.ts'
import { RequestRuleIndex } from './request-index.ts'
import { policyRules, type RequestRule, type RuleName } from './request-rules.ts'

/** `by` is the rule that decided. */
export type RequestDecision =
  | { readonly kind: 'allowed'; readonly by: RuleName | 'no-policy' }
  | { readonly kind: 'denied'; readonly by: RuleName | 'no-match' }

/** What policies say that decide nothing. */
export interface RequestNotes {
  /** The first rule of an AUDIT policy that matches. */
  readonly audited: RuleName | undefined
  /** The first of a dry-run DENY. */
  readonly wouldDeny: RuleName | undefined
  /** The first of a dry-run ALLOW; `no-match` when there are some and none does, undefined without any. */
  readonly wouldAllow: RuleName | 'no-match' | undefined
}

/** The policies of one destination, ready to be asked about requests, or about connections whose bytes nobody reads. */
export interface RequestPolicySet {
  readonly requests: PolicyLayer<RequestFacts>
  readonly connections: PolicyLayer<PeerFacts>
}

export interface PolicyLayer<F extends PeerFacts> {
  readonly deny: RequestRuleIndex<F> | undefined
  /** Undefined without any policy; one without rules lets nobody in. */
  readonly allow: RequestRuleIndex<F> | undefined
  readonly audit: RequestRuleIndex<F> | undefined
  readonly dryDeny: RequestRuleIndex<F> | undefined
  readonly dryAllow: RequestRuleIndex<F> | undefined
}

const sets = new WeakMap<readonly RequestPolicy[], RequestPolicySet>()

/** Compiled once for each list; a list never changes. */
export function requestPolicySet(policies: readonly RequestPolicy[]): RequestPolicySet {
  const known = sets.get(policies)
  if (known !== undefined) return known
  const sorted = [...policies].sort(byName)
  const made: RequestPolicySet = {
    requests: layerOf(
      sorted,
      (policy) => policyRules(policy).requests,
      (facts) => facts.path,
    ),
    connections: layerOf(sorted, (policy) => policyRules(policy).connections, undefined),
  }
  sets.set(policies, made)
  return made
}

/** A DENY that matches refuses; without any ALLOW everything else may; otherwise an ALLOW must match. */
export function decideRequest<F extends PeerFacts>({ deny, allow }: PolicyLayer<F>, facts: F): RequestDecision {
  const denied = deny?.firstMatch(facts)
  if (denied !== undefined) return { kind: 'denied', by: denied.name }
  if (allow === undefined) return NO_POLICY
  const allowed = allow.firstMatch(facts)
  return allowed === undefined ? NO_MATCH : { kind: 'allowed', by: allowed.name }
}

/** Undefined when no policy is there only to tell. */
export function requestNotes<F extends PeerFacts>(layer: PolicyLayer<F>, facts: F): RequestNotes | undefined {
  const { audit, dryDeny, dryAllow } = layer
  if (audit === undefined && dryDeny === undefined && dryAllow === undefined) return undefined
  return {
    audited: audit?.firstMatch(facts)?.name,
    wouldDeny: dryDeny?.firstMatch(facts)?.name,
    wouldAllow: dryAllow === undefined ? undefined : (dryAllow.firstMatch(facts)?.name ?? 'no-match'),
  }
}

const NO_POLICY: RequestDecision = { kind: 'allowed', by: 'no-policy' }
const NO_MATCH: RequestDecision = { kind: 'denied', by: 'no-match' }

function layerOf<F extends PeerFacts>(
  policies: readonly RequestPolicy[],
  rulesOf: (policy: RequestPolicy) => readonly RequestRule<F>[],
  pathOf: ((facts: F) => string) | undefined,
): PolicyLayer<F> {
  const indexOf = (isOne: (policy: RequestPolicy) => boolean): RequestRuleIndex<F> | undefined => {
    const chosen = policies.filter(isOne)
    return chosen.length === 0 ? undefined : RequestRuleIndex.of(chosen.flatMap(rulesOf), pathOf)
  }
  return {
    deny: indexOf(({ action, dryRun }) => action === 'deny' && !dryRun),
    allow: indexOf(({ action, dryRun }) => action === 'allow' && !dryRun),
    audit: indexOf(({ action }) => action === 'audit'),
    dryDeny: indexOf(({ action, dryRun }) => action === 'deny' && dryRun),
    dryAllow: indexOf(({ action, dryRun }) => action === 'allow' && dryRun),
  }
}

/** By namespace, then name, so that every waypoint tells the same story. */
function byName(a: RequestPolicy, b: RequestPolicy): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
