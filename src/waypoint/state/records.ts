import type { ResourceUpdate } from '#shared/xds'

/** The records of one resource type by their own key, whatever name they came under. */
export class Records<T> {
  readonly #keyOf: (record: T) => string
  readonly #byKey = new Map<string, T>()
  /** Resource name → key: removals say names. */
  readonly #keyByName = new Map<string, string>()
  /** Grows with each applied update that changed something. */
  #revision = 0

  constructor(keyOf: (record: T) => string) {
    this.#keyOf = keyOf
  }

  get revision(): number {
    return this.#revision
  }

  get(key: string): T | undefined {
    return this.#byKey.get(key)
  }

  all(): Iterable<T> {
    return this.#byKey.values()
  }

  apply(update: ResourceUpdate<T>): void {
    for (const { name, resource } of update.changed) this.#put(name, resource)
    for (const name of update.removed) this.#remove(name)
  }

  #put(name: string, record: T): void {
    const key = this.#keyOf(record)
    if (this.#keyByName.get(name) !== key) this.#remove(name)
    this.#keyByName.set(name, key)
    this.#byKey.set(key, record)
    this.#revision++
  }

  #remove(name: string): void {
    const key = this.#keyByName.get(name)
    if (key === undefined) return
    this.#keyByName.delete(name)
    this.#byKey.delete(key)
    this.#revision++
  }
}
