import fc from 'fast-check'

/** What a file may take in the usual run; a long run says how many minutes it has. */
const USUAL_MS = 4_000

/** How long one property runs: its share of what its file may take. */
function budgetMs(share: number): number {
  const minutes = Number(process.env.AMBIT_FUZZ_MINUTES ?? 0)
  if (!Number.isFinite(minutes) || minutes < 0) throw new Error('AMBIT_FUZZ_MINUTES is a number of minutes')
  return (minutes === 0 ? USUAL_MS : minutes * 60_000) * share
}

/** Runs that no machine makes in its time: the time is what ends a long run. */
const ENDLESS_RUNS = 1_000_000_000

export interface FuzzSettings {
  /** Properties of the file, which share its time. */
  readonly properties: number
  /** Runs at most, when nobody asks for a long run. */
  readonly runs?: number
}

/**
 * Checks a property with random input until its time or its runs are over, and prints the seed, with which the same input
 * comes again (`AMBIT_FUZZ_SEED`).
 */
export function fuzz<T>(
  what: string,
  input: fc.Arbitrary<T>,
  check: (value: T) => void,
  { properties, runs = 3_000 }: FuzzSettings,
): void {
  const seed = Number(process.env.AMBIT_FUZZ_SEED ?? Date.now() % 2 ** 31)
  const isLong = process.env.AMBIT_FUZZ_MINUTES !== undefined
  const details = fc.check(fc.property(input, check), {
    seed,
    numRuns: isLong ? ENDLESS_RUNS : runs,
    interruptAfterTimeLimit: budgetMs(1 / properties),
    // Ended by time is as good as ended by number, when at least one run was made.
    markInterruptAsFailure: false,
  })
  process.stdout.write(`fuzz: ${what}: ${details.numRuns} runs, AMBIT_FUZZ_SEED=${seed}\n`)
  if (details.failed) throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance })
  if (details.numRuns === 0) throw new Error(`${what}: no time for a single run`)
}
