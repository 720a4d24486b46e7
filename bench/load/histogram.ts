const STEPS_PER_OCTAVE = 64
const OCTAVES = 32

/** Counts of positive numbers in buckets 1/64 octave wide: cheap to fill, quantiles within about 1 %. */
export class Histogram {
  readonly #buckets = new Uint32Array(STEPS_PER_OCTAVE * OCTAVES)
  #total = 0

  add(value: number): void {
    const bucket = Math.floor(Math.log2(Math.max(value, 1)) * STEPS_PER_OCTAVE)
    this.#buckets[Math.min(bucket, this.#buckets.length - 1)]!++
    this.#total++
  }

  /** @param q 0 to 1; 0 when nothing was counted */
  quantile(q: number): number {
    let left = Math.ceil(this.#total * q)
    if (left === 0) return 0
    for (let i = 0; i < this.#buckets.length; i++) {
      left -= this.#buckets[i] ?? 0
      if (left <= 0) return Math.round(2 ** ((i + 0.5) / STEPS_PER_OCTAVE))
    }
    return Number.POSITIVE_INFINITY
  }
}
