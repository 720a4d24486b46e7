import type { Clock } from '#shared/clock'
import { DEFAULT_TRAFFIC_POLICY, type TrafficPolicy } from '#shared/l7'
import { type Picker, pickerOf } from './pickers.ts'
import type { Seat } from './seat.ts'
import { spreadByShares, spreadOverRanks } from './spread.ts'
import type { Endpoint } from './types.ts'
import { warmthAt } from './warmup.ts'

/** While endpoints warm up their weights are looked at again that often. */
const WARMTH_STEP_MS = 250

interface Group {
  readonly seats: readonly Seat[]
  readonly weight: number
  /** Seats that may be picked now. */
  usable: readonly Seat[]
  picker: Picker
  load: number
}

const NOBODY: Picker = { pick: () => undefined }

/** The seats of a cluster, grouped by locality, with what each group gets and a picker for each. */
export class SeatGroups {
  readonly #clock: Clock
  #groups: readonly Group[] = []
  /** All groups as one, for those who may go anywhere; made when somebody does. */
  #everywhere: Group | undefined
  #kind: 'ranked' | 'shared' = 'ranked'
  #policy: TrafficPolicy = DEFAULT_TRAFFIC_POLICY
  #isStale = false
  #isPanicking = false
  /** When weights must be looked at again. */
  #validUntilMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  use(
    groups: readonly { readonly items: readonly Seat[]; readonly weight: number }[],
    kind: 'ranked' | 'shared',
    policy: TrafficPolicy,
  ): void {
    const last = this.#groups
    this.#groups = groups.map(({ items, weight }, at) => groupOf(items, weight, last[at]?.picker))
    for (const [at, { seats }] of this.#groups.entries()) for (const seat of seats) seat.group = at
    this.#everywhere = undefined
    this.#kind = kind
    this.#policy = policy
    this.#isStale = true
  }

  healthChanged(): void {
    this.#isStale = true
  }

  pick(random: () => number, hash: number | undefined, everywhere: boolean): Seat | undefined {
    this.#settle()
    return (everywhere ? this.#all() : this.#drawn(random))?.picker.pick(random, hash)
  }

  /** One that is none of these, of that group or of all. */
  anyBut(avoid: readonly Endpoint[], everywhere: boolean, group: number): Seat | undefined {
    const among = everywhere ? this.#all() : this.#groups[group]
    return among?.usable.find(({ endpoint }) => !avoid.includes(endpoint))
  }

  #drawn(random: () => number): Group | undefined {
    const [first] = this.#groups
    if (first === undefined || first.load === 1) return first
    let left = random()
    for (const group of this.#groups) {
      left -= group.load
      if (left < 0) return group
    }
    return this.#groups.findLast(({ load }) => load > 0) ?? first
  }

  /** Pickers are made again when health has changed, or time has warmed somebody up. */
  #settle(): void {
    if (!this.#isStale && this.#validUntilMs === Number.POSITIVE_INFINITY) return
    const nowMs = this.#clock.monotonicMs()
    if (!this.#isStale && nowMs < this.#validUntilMs) return
    this.#isStale = false
    const { outliers } = this.#policy
    this.#validUntilMs = this.#warmUp(nowMs) ? nowMs + WARMTH_STEP_MS : Number.POSITIVE_INFINITY
    const healths = this.#groups.map(({ seats, weight }) => ({
      total: seats.length,
      usable: usableCount(seats),
      weight,
    }))
    const spread = this.#kind === 'ranked' ? spreadOverRanks : spreadByShares
    const loads = spread(healths, outliers?.minHealthPercent ?? 0)
    for (const [at, group] of this.#groups.entries()) {
      const { load, usesAll } = loads[at] ?? { load: 0, usesAll: false }
      group.load = load
      this.#equip(group, usesAll)
    }
    this.#everywhere = undefined
    this.#isPanicking = loads.some(({ usesAll }) => usesAll)
  }

  #equip(group: Group, usesAll: boolean): void {
    group.usable = usesAll ? group.seats : group.seats.filter(({ isEjected }) => !isEjected)
    // Whoever comes back from an ejection has no turns to catch up on.
    for (const seat of group.seats) if (seat.isEjected && !usesAll) seat.turn = 0
    group.picker =
      group.usable.length === 0 || group.load === 0
        ? NOBODY
        : pickerOf(group.usable, this.#policy.balancing, group.picker)
  }

  /** Who may go anywhere is few, and must not disturb the turns of the others. */
  #all(): Group | undefined {
    if (this.#groups.length < 2) return this.#groups[0]
    if (this.#everywhere === undefined) {
      const seats = this.#groups.flatMap((group) => group.seats)
      const group = groupOf(seats, 1)
      const { balancing } = this.#policy
      group.usable = this.#isPanicking ? seats : seats.filter(({ isEjected }) => !isEjected)
      group.picker = pickerOf(group.usable, balancing.kind === 'round-robin' ? { kind: 'random' } : balancing)
      this.#everywhere = group
    }
    return this.#everywhere
  }

  /** Whether somebody still warms up. */
  #warmUp(nowMs: number): boolean {
    const { warmup, balancing } = this.#policy
    const isWarming = warmup !== undefined && (balancing.kind === 'least-request' || balancing.kind === 'round-robin')
    let isAnyCold = false
    for (const { seats } of this.#groups) {
      for (const seat of seats) {
        seat.warmth = isWarming ? warmthAt(nowMs - seat.joinedAtMs, warmup) : 1
        isAnyCold ||= seat.warmth < 1
      }
    }
    return isAnyCold
  }
}

function groupOf(seats: readonly Seat[], weight: number, picker: Picker = NOBODY): Group {
  return { seats, weight, usable: seats, picker, load: 0 }
}

function usableCount(seats: readonly Seat[]): number {
  let count = 0
  for (const { isEjected } of seats) if (!isEjected) count++
  return count
}
