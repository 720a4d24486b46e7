import type { Authorization, Workload } from '#shared/model'
import { type CompiledPolicy, compilePolicy, PolicySet } from '#shared/policy'
import type { ApplicablePolicies } from './types.ts'

/** Every policy, compiled once when it comes, and which of them apply to a workload. */
export class PolicyStore {
  readonly #byKey = new Map<string, CompiledPolicy>()
  readonly #meshWide = new PolicySet()
  readonly #byNamespace = new Map<string, PolicySet>()
  /** Answers of `applicable`, good for one generation; they go with their workload. */
  readonly #answers = new WeakMap<Workload, { readonly generation: number; readonly answer: ApplicablePolicies }>()
  #generation = 0

  /** Adds a policy, or replaces the one of the same key (the resource name on the wire). */
  put(key: string, policy: Authorization): void {
    this.remove(key)
    const compiled = compilePolicy(key, policy)
    this.#byKey.set(key, compiled)
    this.#setOf(policy)?.put(compiled)
    this.#generation++
  }

  /** Whether there was one. */
  remove(key: string): boolean {
    const old = this.#byKey.get(key)
    if (old === undefined) return false
    this.#byKey.delete(key)
    const set = this.#setOf(old.source)
    set?.remove(key)
    if (set?.size === 0) this.#byNamespace.delete(old.source.namespace)
    this.#generation++
    return true
  }

  /** Mesh-wide ones, those of the workload's namespace, and those that it names, whatever their scope. */
  applicable(workload: Workload): ApplicablePolicies {
    const known = this.#answers.get(workload)
    if (known?.generation === this.#generation) return known.answer
    const named = workload.authorizationPolicies.flatMap((key) => this.#byKey.get(key) ?? [])
    const missing = workload.authorizationPolicies.filter((key) => !this.#byKey.has(key))
    const sets = [this.#meshWide, this.#byNamespace.get(workload.namespace) ?? NONE, new PolicySet(named)]
    const answer = { sets: sets.filter((set) => set.size > 0), missing }
    this.#answers.set(workload, { generation: this.#generation, answer })
    return answer
  }

  *all(): Iterable<readonly [key: string, policy: Authorization]> {
    for (const [key, compiled] of this.#byKey) yield [key, compiled.source]
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

const NONE: PolicySet = new PolicySet()
