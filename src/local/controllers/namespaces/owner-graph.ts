import type { ApiObject, ObjectRef, OwnerReference } from '../../apiserver/index.ts'

/** An object with what the collector must know of it. */
export interface Dependent {
  readonly ref: ObjectRef
  readonly uid: string
  readonly owners: readonly OwnerReference[]
}

/** Who refers to whom, by uid; kept from watches. */
export class OwnerGraph {
  readonly #byUid = new Map<string, Dependent>()
  readonly #dependents = new Map<string, Set<string>>()

  put(ref: ObjectRef, { metadata }: ApiObject): void {
    const uid = metadata.uid ?? ''
    const owners = metadata.ownerReferences ?? []
    this.#unlink(uid)
    this.#byUid.set(uid, { ref, uid, owners })
    for (const owner of owners) {
      const set = this.#dependents.get(owner.uid) ?? new Set()
      this.#dependents.set(owner.uid, set.add(uid))
    }
  }

  /** @returns uids of what refers to it */
  remove(uid: string): readonly string[] {
    this.#unlink(uid)
    this.#byUid.delete(uid)
    return [...(this.#dependents.get(uid) ?? [])]
  }

  get(uid: string): Dependent | undefined {
    return this.#byUid.get(uid)
  }

  dependentsOf(uid: string): readonly Dependent[] {
    return [...(this.#dependents.get(uid) ?? [])].flatMap((each) => this.#byUid.get(each) ?? [])
  }

  #unlink(uid: string): void {
    for (const owner of this.#byUid.get(uid)?.owners ?? []) {
      const set = this.#dependents.get(owner.uid)
      set?.delete(uid)
      if (set?.size === 0) this.#dependents.delete(owner.uid)
    }
  }
}
