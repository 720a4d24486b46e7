import type { Workload } from '#shared/model'
import { type CompiledPolicy, PolicySet } from '#shared/policy'

/** The policies that a workload names: those that are known, and the names of those that are not. */
export interface NamedPolicySet {
  /** Of its own, as long as this process lives. */
  readonly id: number
  readonly set: PolicySet
  readonly missing: readonly string[]
}

/** Workloads that are remembered; only those of this node are ever asked about. */
const MAX_WORKLOADS = 4096

/**
 * One set of policies for each list of names, shared by the workloads that have it, and kept up to date name by name:
 * neither a policy that changes nor a list that grows makes a set anew.
 */
export class NamedPolicies {
  readonly #find: (key: string) => CompiledPolicy | undefined
  /** By uid: the list as the workload had it when it was asked about last, and the set for it. */
  readonly #byWorkload = new Map<string, { readonly list: readonly string[]; readonly named: NamedSet }>()
  readonly #byList = new Map<string, NamedSet>()
  readonly #byPolicy = new Map<string, Set<NamedSet>>()
  #lastId = 0

  /** @param find the policy of a name, as it is when it is asked for */
  constructor(find: (key: string) => CompiledPolicy | undefined) {
    this.#find = find
  }

  of({ uid, authorizationPolicies: list }: Workload): NamedPolicySet {
    const known = this.#byWorkload.get(uid)
    if (known?.list === list) return known.named // lists are never changed in place
    if (list.length === 0) {
      this.forget(uid)
      return NOTHING
    }
    const named = this.#setFor(list, known?.named)
    if (named !== known?.named) {
      this.forget(uid)
      this.#makeRoom()
      named.users++
    }
    this.#byWorkload.set(uid, { list, named })
    return named
  }

  put(policy: CompiledPolicy): void {
    for (const named of this.#byPolicy.get(policy.key) ?? []) named.put(policy)
  }

  remove(key: string): void {
    for (const named of this.#byPolicy.get(key) ?? []) named.lose(key)
  }

  /** A workload that has gone. */
  forget(uid: string): void {
    const named = this.#byWorkload.get(uid)?.named
    if (named === undefined) return
    this.#byWorkload.delete(uid)
    if (--named.users > 0) return
    this.#byList.delete(listKey(named.names))
    for (const key of named.names) this.#unlink(key, named)
  }

  /** The one of that list; or `known` with its list changed, when nobody else has it; or a new one. */
  #setFor(list: readonly string[], known: NamedSet | undefined): NamedSet {
    const names = new Set(list)
    const shared = this.#byList.get(listKey(names))
    if (shared !== undefined) return shared
    const named = known?.users === 1 ? known : new NamedSet(++this.#lastId)
    this.#byList.delete(listKey(named.names))
    for (const key of named.names) {
      if (names.has(key)) continue
      this.#unlink(key, named)
      named.drop(key)
    }
    for (const key of names) {
      if (named.names.has(key)) continue
      named.name(key, this.#find(key))
      this.#byPolicy.set(key, (this.#byPolicy.get(key) ?? new Set()).add(named))
    }
    this.#byList.set(listKey(named.names), named)
    return named
  }

  #unlink(key: string, named: NamedSet): void {
    const sets = this.#byPolicy.get(key)
    if (sets?.delete(named) && sets.size === 0) this.#byPolicy.delete(key)
  }

  #makeRoom(): void {
    if (this.#byWorkload.size < MAX_WORKLOADS) return
    const [oldest] = this.#byWorkload.keys()
    if (oldest !== undefined) this.forget(oldest)
  }
}

class NamedSet implements NamedPolicySet {
  readonly id: number
  readonly set = new PolicySet()
  readonly names = new Set<string>()
  readonly #missing = new Set<string>()
  #missingList: readonly string[] | undefined
  /** Workloads that have it. */
  users = 0

  constructor(id: number) {
    this.id = id
  }

  get missing(): readonly string[] {
    this.#missingList ??= [...this.#missing]
    return this.#missingList
  }

  name(key: string, policy: CompiledPolicy | undefined): void {
    this.names.add(key)
    if (policy === undefined) this.lose(key)
    else this.put(policy)
  }

  put(policy: CompiledPolicy): void {
    this.set.put(policy)
    if (this.#missing.delete(policy.key)) this.#missingList = undefined
  }

  /** Still named, but not known any more. */
  lose(key: string): void {
    this.set.remove(key)
    this.#missing.add(key)
    this.#missingList = undefined
  }

  /** Not named any more. */
  drop(key: string): void {
    this.names.delete(key)
    this.set.remove(key)
    if (this.#missing.delete(key)) this.#missingList = undefined
  }
}

const NOTHING: NamedPolicySet = { id: 0, set: new PolicySet(), missing: [] }

/** Two lists of the same names are one, whatever their order. */
function listKey(names: ReadonlySet<string>): string {
  return JSON.stringify([...names].sort())
}
