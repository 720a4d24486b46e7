/** One derivation of one input: what has to run again when something that it read changes. */
export interface Dependent {
  /** Marks it to run again; it has then forgotten what it read. */
  invalidate(): void
  /** Remembers what to undo before it runs again. */
  remember(watchers: Watchers, key: string): void
}

/** Who read which key of one collection or index; the whole of it counts as one more key. */
export class Watchers {
  readonly #byKey = new Map<string, Set<Dependent>>()
  readonly #ofAll = new Set<Dependent>()

  /** @param key undefined = the whole */
  watch(key: string | undefined, dependent: Dependent): void {
    const set = key === undefined ? this.#ofAll : (this.#byKey.get(key) ?? new Set())
    if (set.has(dependent)) return
    set.add(dependent)
    if (key !== undefined) this.#byKey.set(key, set)
    dependent.remember(this, key ?? WHOLE)
  }

  unwatch(key: string, dependent: Dependent): void {
    if (key === WHOLE) this.#ofAll.delete(dependent)
    const set = this.#byKey.get(key)
    set?.delete(dependent)
    if (set?.size === 0) this.#byKey.delete(key)
  }

  tell(key: string): void {
    for (const dependent of this.#ofAll) dependent.invalidate()
    for (const dependent of this.#byKey.get(key) ?? []) dependent.invalidate()
  }

  /** Keys that somebody reads; for tests that nothing is left behind. */
  get size(): number {
    return this.#byKey.size + this.#ofAll.size
  }
}

/** No key of Kubernetes or of the mesh holds a NUL. */
const WHOLE = '\0whole'
