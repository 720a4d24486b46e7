import type { CompiledRule } from './compile.ts'
import type { PolicySet } from './policy-set.ts'
import { Subject } from './subject.ts'
import type { ConnectionFacts, Decision, DryRunVerdicts } from './types.ts'

/**
 * Whether a connection may be (hbone-and-ztunnel f, "Order"): a DENY that matches refuses; without any ALLOW everything
 * else may; otherwise an ALLOW must match. Of several policies that match, the one with the smallest key is named, so
 * that every node tells the same story.
 */
export function decide(sets: readonly PolicySet[], facts: ConnectionFacts): Decision {
  const subject = new Subject(facts)
  const deny = firstMatch(sets, 'deny', subject)
  if (deny !== undefined) return { kind: 'denied', by: 'policy', ...named(deny) }
  if (!sets.some((set) => set.has('allow'))) return { kind: 'allowed', by: 'no-policy' }
  const allow = firstMatch(sets, 'allow', subject)
  return allow === undefined ? { kind: 'denied', by: 'no-match' } : { kind: 'allowed', by: 'policy', ...named(allow) }
}

/** What the dry-run policies say to the same connection. */
export function dryRunVerdicts(sets: readonly PolicySet[], facts: ConnectionFacts): DryRunVerdicts {
  if (!sets.some((set) => set.has('dry-run deny') || set.has('dry-run allow'))) return NO_VERDICTS
  const subject = new Subject(facts)
  const deny = firstMatch(sets, 'dry-run deny', subject)
  const allow = firstMatch(sets, 'dry-run allow', subject)
  const isAllowAsked = sets.some((set) => set.has('dry-run allow'))
  return {
    denied: deny && named(deny),
    allowed: allow === undefined ? (isAllowAsked ? 'no-match' : undefined) : named(allow),
  }
}

const NO_VERDICTS: DryRunVerdicts = { denied: undefined, allowed: undefined }

/** Istio's words for a refusal, as they follow `connection closed due to policy rejection: `. */
export function denialReason(denied: Extract<Decision, { kind: 'denied' }>): string {
  return denied.by === 'policy' ? `explicitly denied by: ${denied.policy}` : 'allow policies exist, but none allowed'
}

function firstMatch(
  sets: readonly PolicySet[],
  part: Parameters<PolicySet['firstMatch']>[0],
  subject: Subject,
): CompiledRule | undefined {
  let first: CompiledRule | undefined
  for (const set of sets) first = set.firstMatch(part, subject, first)
  return first
}

function named(rule: CompiledRule): { readonly policy: string; readonly rule: number } {
  return { policy: rule.policy.key, rule: rule.index }
}
