import { joinGroups, type LeafGroup } from './replica-report.ts'

export interface IssuedLeaf {
  /** The pod that asked. */
  readonly holder: string
  readonly id: string
  readonly revision: number
  readonly notAfterMs: number
}

/**
 * An answer may be lost, and its holder goes on with what it had. It asks again within this time, since a call ends after
 * 10 s and the first tries follow after seconds.
 */
const CONFIRM_MS = 30_000
/** Pods of a large mesh. Of more only the ends are known, by revision. */
const MAX_HOLDINGS = 100_000

interface Holding extends IssuedLeaf {
  /** Its end, or when it is certain that its holder has a newer one. */
  readonly inUseUntilMs: number
}

/** Which leaves of ours may be in use. A leaf goes out of use when it ends, and when its holder has got a newer one. */
export class LeafBooks {
  /** By holder and identity, oldest first. */
  readonly #held = new Map<string, readonly Holding[]>()
  #overflow: readonly LeafGroup[] = []

  add(leaf: IssuedLeaf, nowMs: number): void {
    const key = `${leaf.holder}|${leaf.id}`
    const older = this.#held.get(key)
    if (older === undefined && this.#held.size >= MAX_HOLDINGS) this.#sweep(nowMs)
    if (older === undefined && this.#held.size >= MAX_HOLDINGS) {
      const group = { revision: leaf.revision, untilMs: leaf.notAfterMs, count: 1 }
      this.#overflow = joinGroups([...this.#overflow, group], nowMs)
      return
    }
    // A lost answer is followed by another request, which starts the time anew for everything before it.
    const ending = longestOfEach(older ?? [], nowMs).map((each) => ({
      ...each,
      inUseUntilMs: Math.min(each.notAfterMs, nowMs + CONFIRM_MS),
    }))
    this.#held.set(key, [...ending, { ...leaf, inUseUntilMs: leaf.notAfterMs }])
  }

  /** By revision. */
  groups(nowMs: number): readonly LeafGroup[] {
    this.#sweep(nowMs)
    const leaves = [...this.#held.values()].flat()
    const groups = leaves.map(({ revision, inUseUntilMs }) => ({ revision, untilMs: inUseUntilMs, count: 1 }))
    return joinGroups([...this.#overflow, ...groups], nowMs)
  }

  /** Who holds leaves older than a revision. */
  heldBefore(revision: number, nowMs: number): readonly IssuedLeaf[] {
    this.#sweep(nowMs)
    return [...this.#held.values()].flat().filter((leaf) => leaf.revision < revision)
  }

  #sweep(nowMs: number): void {
    for (const [key, leaves] of this.#held) {
      const left = leaves.filter(({ inUseUntilMs }) => inUseUntilMs > nowMs)
      if (left.length === 0) this.#held.delete(key)
      else if (left.length < leaves.length) this.#held.set(key, left)
    }
  }
}

/** Of each revision the one that lives longest is enough: a holder that asks without end must not fill the books. */
function longestOfEach(leaves: readonly Holding[], nowMs: number): readonly Holding[] {
  const byRevision = new Map<number, Holding>()
  for (const leaf of leaves) {
    if (leaf.inUseUntilMs <= nowMs) continue
    const known = byRevision.get(leaf.revision)
    if (known === undefined || known.notAfterMs < leaf.notAfterMs) byRevision.set(leaf.revision, leaf)
  }
  return [...byRevision.values()]
}
