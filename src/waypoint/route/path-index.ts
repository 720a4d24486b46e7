/** Something with a place in the order of the rules. */
export interface Ranked {
  readonly rank: number
}

const NONE: readonly never[] = []

/** Entries by their whole path. */
export class ExactIndex<E extends Ranked> {
  readonly #byPath = new Map<string, E[]>()
  #longest = 0

  add(path: string, entry: E): void {
    file(this.#byPath, path, entry)
    this.#longest = Math.max(this.#longest, path.length)
  }

  get(path: string): readonly E[] {
    return path.length > this.#longest ? NONE : (this.#byPath.get(path) ?? NONE)
  }
}

/**
 * Entries by what a path begins with. A path is looked up once for each length that is in use, and of whole segments only
 * where a segment ends, so that a path of ten thousand slashes costs no more than another.
 */
export class PrefixIndex<E extends Ranked> {
  readonly #endsWithSegment: boolean
  readonly #byPrefix = new Map<string, E[]>()
  #lengths: readonly number[] = []

  /** @param unit `segments`: what is added does not end with a slash */
  constructor(unit: 'segments' | 'characters') {
    this.#endsWithSegment = unit === 'segments'
  }

  add(prefix: string, entry: E): void {
    file(this.#byPrefix, prefix, entry)
    if (!this.#lengths.includes(prefix.length)) this.#lengths = [...this.#lengths, prefix.length].sort((a, b) => b - a)
  }

  /** Longest first: those are mostly the first of the order, after which fewer need to be asked. */
  get lengths(): readonly number[] {
    return this.#lengths
  }

  /** Entries for the first `length` characters of a path, in their order. */
  get(path: string, length: number): readonly E[] | undefined {
    if (length > path.length || (this.#endsWithSegment && !endsSegment(path, length))) return undefined
    return this.#byPrefix.get(path.slice(0, length))
  }
}

function endsSegment(path: string, at: number): boolean {
  return at === path.length || path.charCodeAt(at) === 0x2f
}

/** Entries come in their order, and so each list is in it. */
function file<E>(lists: Map<string, E[]>, key: string, entry: E): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [entry])
  else list.push(entry)
}
