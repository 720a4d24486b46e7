/** One line of a micro bench: the median of several rounds, and their spread. */
export interface Measured {
  readonly name: string
  readonly medianUs: number
  readonly minUs: number
  readonly maxUs: number
}

const ROUNDS = 7

/**
 * Times `operation` in rounds of at least `roundMs`, after one round of warm-up.
 *
 * @param operation returns something that depends on its work, so that none of it is optimised away
 */
export function measure(name: string, operation: (i: number) => unknown, roundMs: number = 200): Measured {
  let sink: unknown
  const round = (): number => {
    const startMs = performance.now()
    let runs = 0
    let elapsedMs = 0
    do {
      for (let i = 0; i < 16; i++) sink = operation(runs++)
      elapsedMs = performance.now() - startMs
    } while (elapsedMs < roundMs)
    return (elapsedMs * 1000) / runs
  }
  round()
  const times = Array.from({ length: ROUNDS }, round).sort((a, b) => a - b)
  if (sink === measure) throw new Error('unreachable')
  return { name, medianUs: times[ROUNDS >> 1] ?? 0, minUs: times[0] ?? 0, maxUs: times.at(-1) ?? 0 }
}

/** Times one run, for things that are done once. */
export function measureOnce(name: string, operation: () => unknown): Measured {
  const startMs = performance.now()
  operation()
  const us = (performance.now() - startMs) * 1000
  return { name, medianUs: us, minUs: us, maxUs: us }
}

export function print(lines: readonly Measured[]): void {
  for (const { name, medianUs, minUs, maxUs } of lines) {
    process.stdout.write(
      `${name.padEnd(62)} ${medianUs.toFixed(3).padStart(12)} µs  (${minUs.toFixed(3)} … ${maxUs.toFixed(3)})\n`,
    )
  }
}

/** How long single runs took. */
export interface Distribution {
  readonly name: string
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
}

const NS_PER_US = 1000

/** Times each of `runs` runs by itself, after a tenth as many of warm-up; the clock's own cost, some 50 ns, is in it. */
export function distribution(name: string, operation: (i: number) => unknown, runs: number = 50_000): Distribution {
  for (let i = 0; i < runs / 10; i++) operation(i)
  const times = new Float64Array(runs)
  for (let i = 0; i < runs; i++) {
    const start = process.hrtime.bigint()
    operation(i)
    times[i] = Number(process.hrtime.bigint() - start) / NS_PER_US
  }
  times.sort()
  const at = (share: number): number => times[Math.min(runs - 1, Math.floor(runs * share))] ?? 0
  return { name, p50Us: at(0.5), p99Us: at(0.99), maxUs: at(1) }
}

export function printDistribution({ name, p50Us, p99Us, maxUs }: Distribution): void {
  const figures = [p50Us, p99Us, maxUs].map((us) => us.toFixed(2).padStart(9))
  process.stdout.write(`${name.padEnd(62)} p50 ${figures[0]} µs  p99 ${figures[1]} µs  max ${figures[2]} µs\n`)
}
