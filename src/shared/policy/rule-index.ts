import type { CompiledPolicy, CompiledRule } from './compile.ts'
import { keysOf, type RuleKey } from './rule-key.ts'
import type { Subject } from './subject.ts'

/**
 * Rules of one action, filed under the facts that they need, so that a connection meets only those that could match it
 * (bench/micro/policy.ts). Adding and removing cost the policy's own rules, amortised.
 */
export class RuleIndex {
  readonly #byKey = new Map<RuleKey, Bucket>()
  readonly #unkeyed = new Bucket()

  add(policy: CompiledPolicy): void {
    for (const rule of policy.rules) {
      if (rule.keys === undefined) this.#unkeyed.add(rule)
      else for (const key of rule.keys) this.#bucket(key).add(rule)
    }
  }

  remove(policy: CompiledPolicy): void {
    for (const rule of policy.rules) {
      if (rule.keys === undefined) this.#unkeyed.remove(rule)
      for (const key of rule.keys ?? []) {
        const bucket = this.#bucket(key)
        bucket.remove(rule)
        if (bucket.size === 0) this.#byKey.delete(key)
      }
    }
  }

  /** The matching rule that comes first by policy key and place, or `best` when that one comes before it. */
  firstMatch(subject: Subject, best?: CompiledRule): CompiledRule | undefined {
    let first = this.#unkeyed.firstMatch(subject, best)
    if (this.#byKey.size === 0) return first
    for (const key of keysOf(subject)) first = this.#byKey.get(key)?.firstMatch(subject, first) ?? first
    return first
  }

  #bucket(key: RuleKey): Bucket {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const bucket = new Bucket()
    this.#byKey.set(key, bucket)
    return bucket
  }
}

/** Rules in order of policy key and place, sorted when they are read after a change. */
class Bucket {
  readonly #live = new Set<CompiledRule>()
  #sorted: readonly CompiledRule[] | undefined = []

  get size(): number {
    return this.#live.size
  }

  add(rule: CompiledRule): void {
    this.#live.add(rule)
    this.#sorted = undefined
  }

  remove(rule: CompiledRule): void {
    if (this.#live.delete(rule)) this.#sorted = undefined
  }

  firstMatch(subject: Subject, best: CompiledRule | undefined): CompiledRule | undefined {
    this.#sorted ??= [...this.#live].sort(inOrder)
    for (const rule of this.#sorted) {
      if (best !== undefined && inOrder(best, rule) <= 0) return best
      if (rule.matches(subject)) return rule
    }
    return best
  }
}

function inOrder(a: CompiledRule, b: CompiledRule): number {
  if (a.policy.key !== b.policy.key) return a.policy.key < b.policy.key ? -1 : 1
  return a.index - b.index
}
