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
