import type { Clock, Timer } from '#shared/clock'
import type { OutlierDetection } from '#shared/l7'
import type { Seat } from './seat.ts'
import type { AttemptOutcome } from './types.ts'

export interface OutlierSurroundings {
  readonly clock: Clock
  /** Everybody in the cluster. */
  readonly seats: () => Iterable<Seat>
  readonly seatCount: () => number
  /** Somebody was ejected or let in again. */
  readonly onChanged: () => void
}

/** Ejects endpoints that fail again and again, for longer each time, and lets them in again (istio-control-plane d.5). */
export class OutlierWatch {
  readonly #around: OutlierSurroundings
  #policy: OutlierDetection | undefined
  #ejectedCount = 0
  /** Runs only while somebody is ejected or was lately. */
  #sweep: Timer | undefined
  /** Of all time. */
  ejections = 0

  constructor(around: OutlierSurroundings) {
    this.#around = around
  }

  /** Counts and ejections stay, unless nothing is to be detected any more. */
  use(policy: OutlierDetection | undefined): void {
    if (policy === this.#policy) return
    this.#policy = policy
    if (policy !== undefined) return
    this.close()
    for (const seat of this.#around.seats()) {
      seat.ejections = 0
      if (seat.isEjected) this.#letIn(seat)
    }
  }

  record(seat: Seat, outcome: AttemptOutcome): void {
    const policy = this.#policy
    if (policy === undefined || outcome.kind === 'given-up') return
    count(seat, outcome, policy.splitsLocalErrors)
    if (isBeyond(seat, policy)) this.#eject(seat, policy)
  }

  /** A seat that leaves the cluster. */
  forget(seat: Seat): void {
    if (seat.isEjected) this.#ejectedCount--
  }

  close(): void {
    this.#sweep?.cancel()
    this.#sweep = undefined
  }

  #eject(seat: Seat, policy: OutlierDetection): void {
    seat.consecutive5xx = 0
    seat.consecutiveGatewayErrors = 0
    seat.consecutiveLocalFailures = 0
    if (seat.isEjected || !mayEject(this.#ejectedCount, this.#around.seatCount(), policy.maxEjectionPercent)) return
    seat.ejectedAtMs = this.#around.clock.monotonicMs()
    // Beyond the longest time it would only take longer to be forgiven.
    if (seat.ejections * policy.baseEjectionMs < longest(policy)) seat.ejections++
    this.#ejectedCount++
    this.ejections++
    this.#watch(policy)
    this.#around.onChanged()
  }

  #letIn(seat: Seat): void {
    seat.ejectedAtMs = undefined
    this.#ejectedCount--
    this.#around.onChanged()
  }

  #watch(policy: OutlierDetection): void {
    this.#sweep ??= this.#around.clock.setTimer(policy.intervalMs, () => {
      this.#sweep = undefined
      this.#lookAgain()
    })
  }

  #lookAgain(): void {
    const policy = this.#policy
    if (policy === undefined) return
    const nowMs = this.#around.clock.monotonicMs()
    let isAnyoneMarked = false
    for (const seat of this.#around.seats()) {
      if (seat.ejectedAtMs === undefined) seat.ejections = Math.max(0, seat.ejections - 1)
      else if (nowMs - seat.ejectedAtMs >= ejectionMs(seat.ejections, policy)) this.#letIn(seat)
      isAnyoneMarked ||= seat.isEjected || seat.ejections > 0
    }
    if (isAnyoneMarked) this.#watch(policy)
  }
}

/** How long an ejection lasts: the base time as often as it has happened lately. */
export function ejectionMs(ejections: number, policy: OutlierDetection): number {
  return Math.min(ejections * policy.baseEjectionMs, longest(policy))
}

function longest({ baseEjectionMs, maxEjectionMs }: OutlierDetection): number {
  return Math.max(baseEjectionMs, maxEjectionMs)
}

/**
 * Within the percentage; and the first one in any case, as 10 % of three endpoints would be nobody, unless it is the only
 * endpoint there is.
 */
export function mayEject(ejectedCount: number, seatCount: number, maxEjectionPercent: number): boolean {
  if (maxEjectionPercent === 0) return false
  if (ejectedCount === 0 && seatCount > 1) return true
  return 100 * (ejectedCount + 1) <= maxEjectionPercent * seatCount
}

/** Failures of the way there count as 5xx and gateway errors, unless they are counted for themselves. */
function count(seat: Seat, outcome: Exclude<AttemptOutcome, { kind: 'given-up' }>, splitsLocalErrors: boolean): void {
  if (outcome.kind === 'failed') {
    if (splitsLocalErrors && outcome.isLocalOrigin) {
      seat.consecutiveLocalFailures++
      return
    }
    seat.consecutive5xx++
    seat.consecutiveGatewayErrors++
    return
  }
  seat.consecutiveLocalFailures = 0
  seat.consecutive5xx = outcome.status >= 500 ? seat.consecutive5xx + 1 : 0
  const isGatewayError = outcome.status >= 502 && outcome.status <= 504
  seat.consecutiveGatewayErrors = isGatewayError ? seat.consecutiveGatewayErrors + 1 : 0
}

function isBeyond(seat: Seat, policy: OutlierDetection): boolean {
  return (
    reaches(seat.consecutive5xx, policy.consecutive5xx) ||
    reaches(seat.consecutiveGatewayErrors, policy.consecutiveGatewayErrors) ||
    (policy.splitsLocalErrors && reaches(seat.consecutiveLocalFailures, policy.consecutiveLocalFailures))
  )
}

/** A threshold of 0 is none. */
function reaches(counted: number, threshold: number): boolean {
  return threshold > 0 && counted >= threshold
}
