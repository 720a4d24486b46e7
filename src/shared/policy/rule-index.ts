import type { CompiledPolicy, CompiledRule } from './compile.ts'
import { bestKeys, keysOf, type RuleKey } from './rule-key.ts'
import { ruleMatches } from './rule-match.ts'
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
      const keys = bestKeys(rule.source)
      if (keys === undefined) this.#unkeyed.add(rule)
      else for (const key of keys) this.#bucket(key).add(rule)
    }
  }

  remove(policy: CompiledPolicy): void {
    for (const rule of policy.rules) {
      const keys = bestKeys(rule.source)
      if (keys === undefined) this.#unkeyed.remove(rule)
      for (const key of keys ?? []) {
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

/**
 * Rules in order of policy key and place. Changes only take note; the list is put in order when it is read next. Plain
 * arrays, since most buckets hold one rule and there is one for each fact that any policy names.
 */
class Bucket {
  #rules: CompiledRule[] = []
  #removed: Set<CompiledRule> | undefined
  #isSorted = true

  get size(): number {
    return this.#rules.length - (this.#removed?.size ?? 0)
  }

  /** A rule that is not in it. */
  add(rule: CompiledRule): void {
    this.#isSorted = this.#rules.length === 0
    this.#rules.push(rule)
  }

  /** A rule that is in it. */
  remove(rule: CompiledRule): void {
    this.#removed ??= new Set()
    this.#removed.add(rule)
  }

  firstMatch(subject: Subject, best: CompiledRule | undefined): CompiledRule | undefined {
    for (const rule of this.#inOrder()) {
      if (best !== undefined && inOrder(best, rule) <= 0) return best
      if (ruleMatches(rule.source, subject)) return rule
    }
    return best
  }

  #inOrder(): readonly CompiledRule[] {
    const removed = this.#removed
    if (removed !== undefined) {
      this.#rules = this.#rules.filter((rule) => !removed.has(rule))
      this.#removed = undefined
    }
    if (!this.#isSorted) this.#rules.sort(inOrder)
    this.#isSorted = true
    return this.#rules
  }
}

function inOrder(a: CompiledRule, b: CompiledRule): number {
  if (a.policy.key !== b.policy.key) return a.policy.key < b.policy.key ? -1 : 1
  return a.index - b.index
}
