/** A choice among items by their weights; of one it costs nothing. */
export class Shares<T> {
  readonly #items: readonly T[]
  /** Weights of an item and all before it. */
  readonly #sums: readonly number[]

  /** @param weighted never empty; weights that are all 0 count as equal */
  constructor(weighted: readonly { readonly item: T; readonly weight: number }[]) {
    const isWeightless = weighted.every(({ weight }) => weight <= 0)
    let sum = 0
    this.#items = weighted.map(({ item }) => item)
    this.#sums = weighted.map(({ weight }) => (sum += isWeightless ? 1 : weight))
  }

  /** @param random gives a number in [0, 1) */
  choose(random: () => number): T {
    const items = this.#items
    const sums = this.#sums
    const last = items.length - 1
    if (last > 0) {
      const wanted = random() * (sums[last] ?? 0)
      for (let i = 0; i < last; i++) if (wanted < (sums[i] ?? 0)) return items[i] as T // i is below the length
    }
    return items[last] as T // never empty
  }
}
