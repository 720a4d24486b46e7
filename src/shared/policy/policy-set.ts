import type { CompiledPolicy, CompiledRule } from './compile.ts'
import { RuleIndex } from './rule-index.ts'
import type { Subject } from './subject.ts'

/** What a policy's rules are for: enforced or only reported. */
type Part = 'deny' | 'allow' | 'dry-run deny' | 'dry-run allow'

/** Policies that apply together: the mesh-wide ones, those of one namespace, or those that a workload names. */
export class PolicySet {
  readonly #policies = new Map<string, CompiledPolicy>()
  readonly #parts: Readonly<Record<Part, { readonly rules: RuleIndex; policies: number }>> = {
    deny: { rules: new RuleIndex(), policies: 0 },
    allow: { rules: new RuleIndex(), policies: 0 },
    'dry-run deny': { rules: new RuleIndex(), policies: 0 },
    'dry-run allow': { rules: new RuleIndex(), policies: 0 },
  }

  #revision = 0

  constructor(policies: Iterable<CompiledPolicy> = []) {
    for (const policy of policies) this.put(policy)
  }

  /** Grows with each change. */
  get revision(): number {
    return this.#revision
  }

  get size(): number {
    return this.#policies.size
  }

  policies(): Iterable<CompiledPolicy> {
    return this.#policies.values()
  }

  /** Adds a policy, or replaces the one of the same key. */
  put(policy: CompiledPolicy): void {
    this.remove(policy.key)
    this.#revision++
    this.#policies.set(policy.key, policy)
    const part = this.#parts[partOf(policy)]
    for (const rule of policy.rules) part.rules.add(rule)
    part.policies++
  }

  remove(key: string): void {
    const policy = this.#policies.get(key)
    if (policy === undefined) return
    this.#revision++
    this.#policies.delete(key)
    const part = this.#parts[partOf(policy)]
    for (const rule of policy.rules) part.rules.remove(rule)
    part.policies--
  }

  /** Whether there is any policy of that part, those without rules included. */
  has(part: Part): boolean {
    return this.#parts[part].policies > 0
  }

  /** The matching rule that is first by policy key and place, or `best` when that one comes before it. */
  firstMatch(part: Part, subject: Subject, best?: CompiledRule): CompiledRule | undefined {
    const { rules, policies } = this.#parts[part]
    return policies === 0 ? best : rules.firstMatch(subject, best)
  }
}

function partOf(policy: CompiledPolicy): Part {
  const { action, dryRun } = policy.source
  if (action === 'Deny') return dryRun ? 'dry-run deny' : 'deny'
  return dryRun ? 'dry-run allow' : 'allow'
}
