import type { Authorization, Workload } from '#shared/model'
import { type CompiledPolicy, compilePolicy, PolicySet } from '#shared/policy'
import { NamedPolicies } from './named-policies.ts'
import type { ApplicablePolicies } from './types.ts'

/** Every policy, compiled once when it comes, and which of them apply to a workload. A change costs what it changes. */
export class PolicyStore {
  readonly #byKey = new Map<string, CompiledPolicy>()
  readonly #meshWide = new PolicySet()
  readonly #byNamespace = new Map<string, PolicySet>()
  /** Grows when a namespace's last policy goes, and its set with it. */
  #emptied = 0
  readonly #named = new NamedPolicies((key) => this.#byKey.get(key))

  /** Adds a policy, or replaces the one of the same key (the resource name on the wire). */
  put(key: string, policy: Authorization): void {
    this.#withdraw(key)
    const compiled = compilePolicy(key, policy)
    this.#byKey.set(key, compiled)
    this.#setOf(policy)?.put(compiled)
    this.#named.put(compiled)
  }

  /** Whether there was one. */
  remove(key: string): boolean {
    if (!this.#withdraw(key)) return false
    this.#named.remove(key)
    return true
  }

  /** Mesh-wide ones, those of the workload's namespace, and those that it names, whatever their scope. */
  applicable(workload: Workload): ApplicablePolicies {
    const { set: named, missing } = this.#named.of(workload)
    const sets: PolicySet[] = []
    const ofNamespace = this.#byNamespace.get(workload.namespace)
    if (this.#meshWide.size > 0) sets.push(this.#meshWide)
    if (ofNamespace !== undefined) sets.push(ofNamespace)
    if (named.size > 0) sets.push(named)
    return { sets, missing }
  }

  /** Differs from an earlier one whenever a policy that applies to the workload, or did, has changed since. */
  revision(workload: Workload): string {
    const named = this.#named.of(workload)
    const ofNamespace = this.#byNamespace.get(workload.namespace)?.revision ?? 0
    return `${this.#meshWide.revision} ${this.#emptied} ${ofNamespace} ${named.id} ${named.set.revision}`
  }

  /** A workload that has gone: what it names is of no interest any more. */
  forgetWorkload(uid: string): void {
    this.#named.forget(uid)
  }

  *all(): Iterable<readonly [key: string, policy: Authorization]> {
    for (const [key, compiled] of this.#byKey) yield [key, compiled.source]
  }

  #withdraw(key: string): boolean {
    const old = this.#byKey.get(key)
    if (old === undefined) return false
    this.#byKey.delete(key)
    const set = this.#setOf(old.source)
    set?.remove(key)
    if (old.source.scope === 'Namespace' && set?.size === 0) {
      this.#byNamespace.delete(old.source.namespace)
      this.#emptied++
    }
    return true
  }

  /** Where the policy's scope puts it; those of single workloads are found by key alone. */
  #setOf(policy: Authorization): PolicySet | undefined {
    if (policy.scope === 'Global') return this.#meshWide
    if (policy.scope === 'WorkloadSelector') return undefined
    const known = this.#byNamespace.get(policy.namespace)
    if (known !== undefined) return known
    const set = new PolicySet()
    this.#byNamespace.set(policy.namespace, set)
    return set
  }
}
