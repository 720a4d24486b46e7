/** Where the changes up to a revision of a kind have gone. */
export type RevisionPlace =
  /** Objects of that kind are not read. */
  | { readonly kind: 'unread' }
  /** That revision has not come from the API yet. */
  | { readonly kind: 'unseen' }
  /** It changed nothing that a client could be told. */
  | { readonly kind: 'unaffected' }
  /** It goes out with that push, or has. */
  | { readonly kind: 'pushed'; readonly push: number }

interface Entry {
  readonly revision: string
  /** Undefined: without effect. */
  readonly push: number | undefined
}

interface KindEntries {
  readonly entries: Entry[]
  /** Older ones were forgotten. */
  isCut: boolean
}

/** Per kind. What is older counts as gone out with the newest push, which is late but never wrong. */
const MAX_ENTRIES = 1_024

/**
 * Which push the revisions of the API went out with, so that whoever wrote an object can learn when all clients have it.
 * Revisions of one kind are compared as numbers, as Kubernetes says that they may be.
 */
export class RevisionJournal {
  readonly #read: ReadonlySet<string>
  readonly #kinds = new Map<string, KindEntries>()
  /** Told and not settled: kind → newest revision. */
  readonly #untold = new Map<string, string>()

  /** @param read kinds whose revisions come, sooner or later: a kind may be installed later than we start */
  constructor(read: Iterable<string>) {
    this.#read = new Set(read)
  }

  /** Everything up to that revision of that kind has been handed to the derivations. */
  seen(kind: string, revision: string): void {
    if (isNumber(revision)) this.#untold.set(kind, revision)
  }

  get isSettled(): boolean {
    return this.#untold.size === 0
  }

  /**
   * What has been seen is derived now.
   *
   * @param push the push that its changes go out with; undefined when it changed nothing
   */
  settled(push: number | undefined): void {
    for (const [kind, revision] of this.#untold) this.#add(kind, { revision, push })
    this.#untold.clear()
  }

  /** @param newestPush that everything which has been settled by now is part of */
  find(kind: string, revision: string, newestPush: number): RevisionPlace {
    if (!this.#read.has(kind)) return { kind: 'unread' }
    const known = this.#kinds.get(kind)
    const newest = known?.entries.at(-1)
    if (known === undefined || newest === undefined) return { kind: 'unseen' }
    if (!isNumber(revision) || isBelow(newest.revision, revision)) return { kind: 'unseen' }
    const at = known.entries.findIndex((entry) => !isBelow(entry.revision, revision))
    if (at === 0 && known.isCut) return { kind: 'pushed', push: newestPush }
    const push = known.entries[at]?.push
    return push === undefined ? { kind: 'unaffected' } : { kind: 'pushed', push }
  }

  #add(kind: string, entry: Entry): void {
    const known = this.#kinds.get(kind) ?? { entries: [], isCut: false }
    this.#kinds.set(kind, known)
    const { entries } = known
    const last = entries.at(-1)
    // An API that was restored from a copy counts anew.
    if (last !== undefined && isBelow(entry.revision, last.revision)) entries.length = 0
    // A list or a bookmark tells again what was known.
    else if (last?.revision === entry.revision) return
    entries.push(entry)
    if (entries.length <= MAX_ENTRIES) return
    entries.shift()
    known.isCut = true
  }
}

/** `AuthorizationPolicy.security.istio.io`, `Pod`: two groups may have a kind of one name. */
export function kindName(kind: string, apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? kind : `${kind}.${apiVersion.slice(0, slash)}`
}

function isNumber(revision: string): boolean {
  return /^[0-9]{1,64}$/.test(revision)
}

/** Of decimal numbers without leading zeros. */
function isBelow(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length
}
