/** Values filed under a key that several may share, oldest first. An empty group takes no memory. */
export class Groups<K, V> {
  readonly #groups = new Map<K, readonly V[]>()

  /** Adds a value at the end of its group. */
  add(key: K, value: V): void {
    const group = this.#groups.get(key)
    this.#groups.set(key, group === undefined ? [value] : [...group, value])
  }

  remove(key: K, value: V): void {
    const left = this.of(key).filter((one) => one !== value)
    if (left.length === 0) this.#groups.delete(key)
    else this.#groups.set(key, left)
  }

  of(key: K): readonly V[] {
    return this.#groups.get(key) ?? NONE
  }
}

const NONE: readonly never[] = []
