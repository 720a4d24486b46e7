import type { Authorization, AuthorizationRule } from '#shared/model'
import { canMatch } from './rule-match.ts'

/** A policy ready to be put into a `PolicySet`. */
export interface CompiledPolicy {
  readonly key: string
  readonly source: Authorization
  readonly rules: readonly CompiledRule[]
}

export interface CompiledRule {
  readonly policy: CompiledPolicy
  /** Place among the policy's rules, 0-based. */
  readonly index: number
  readonly source: AuthorizationRule
}

/**
 * Takes a policy apart into its rules; those that can never match are left out, the others keep their place. Rules are
 * read as they came and not turned into closures, which would cost a kilobyte each where the source has all there is.
 *
 * @param key the resource name on the wire, `<namespace>/<name>`
 */
export function compilePolicy(key: string, source: Authorization): CompiledPolicy {
  const rules: CompiledRule[] = []
  const policy: CompiledPolicy = { key, source, rules }
  for (const [index, rule] of source.rules.entries()) {
    if (canMatch(rule)) rules.push({ policy, index, source: rule })
  }
  return policy
}
