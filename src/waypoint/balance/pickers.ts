import type { Balancing, HashTable } from '#shared/l7'
import { type SeatTable, seatTable } from './hash-table.ts'
import type { Seat } from './seat.ts'

/** Chooses among seats that may all be picked. Made anew whenever they, or their weights, have changed. */
export interface Picker {
  /**
   * @param hash of the request; only a hashing picker looks at it, and draws without it
   * @returns undefined when there is no seat
   */
  pick(random: () => number, hash: number | undefined): Seat | undefined
}

/** @param last the group's picker until now: a hash table that is still true is not made again */
export function pickerOf(seats: readonly Seat[], balancing: Balancing, last?: Picker): Picker {
  switch (balancing.kind) {
    case 'least-request':
      return new LeastRequest(seats)
    case 'round-robin':
      return new RoundRobin(seats)
    case 'random':
    case 'passthrough': // what was dialled is none of the endpoints: any of them will do
      return new RandomDraw(seats)
    case 'hash':
      return last instanceof Hashing && last.isOf(seats, balancing.table) ? last : new Hashing(seats, balancing.table)
  }
}

/** The seat of a hash; any by its weight where there is none. */
class Hashing implements Picker {
  readonly #seats: readonly Seat[]
  readonly #capacities: readonly number[]
  readonly #kind: HashTable
  readonly #table: SeatTable
  readonly #draw: RandomDraw

  constructor(seats: readonly Seat[], kind: HashTable) {
    this.#seats = seats
    this.#capacities = seats.map(({ workload }) => workload.capacity)
    this.#kind = kind
    this.#table = seatTable(seats, kind)
    this.#draw = new RandomDraw(seats)
  }

  isOf(seats: readonly Seat[], kind: HashTable): boolean {
    const isSameKind = kind === this.#kind || JSON.stringify(kind) === JSON.stringify(this.#kind)
    if (!isSameKind || seats.length !== this.#seats.length) return false
    return seats.every((seat, at) => seat === this.#seats[at] && seat.workload.capacity === this.#capacities[at])
  }

  pick(random: () => number, hash: number | undefined): Seat | undefined {
    return hash === undefined ? this.#draw.pick(random) : this.#table.seatOf(hash)
  }
}

/** A seat by its weight. */
export class RandomDraw implements Picker {
  readonly #seats: readonly Seat[]
  /** Sums of weights up to each seat; undefined while all weigh the same. */
  readonly #sums: Float64Array | undefined

  constructor(seats: readonly Seat[]) {
    this.#seats = seats
    this.#sums = seats.every(({ weight }) => weight === seats[0]?.weight) ? undefined : sumsOf(seats)
  }

  get isEven(): boolean {
    return this.#sums === undefined
  }

  pick(random: () => number): Seat | undefined {
    return this.#seats[this.drawAt(random)]
  }

  drawAt(random: () => number): number {
    const sums = this.#sums
    if (sums === undefined) return Math.floor(random() * this.#seats.length)
    const wanted = random() * (sums.at(-1) ?? 0)
    let low = 0
    let high = sums.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sums[middle] ?? 0) <= wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

function sumsOf(seats: readonly Seat[]): Float64Array {
  const sums = new Float64Array(seats.length)
  let sum = 0
  for (const [at, { weight }] of seats.entries()) {
    sum += weight
    sums[at] = sum
  }
  return sums
}

/**
 * Two random ones by weight and the better of them: nearly as even as the best of all, and never a herd on one newcomer.
 * Where all weigh the same the two are different ones.
 */
class LeastRequest implements Picker {
  readonly #seats: readonly Seat[]
  readonly #draw: RandomDraw

  constructor(seats: readonly Seat[]) {
    this.#seats = seats
    this.#draw = new RandomDraw(seats)
  }

  pick(random: () => number): Seat | undefined {
    const count = this.#seats.length
    if (count < 2) return this.#seats[0]
    const at = this.#draw.drawAt(random)
    const other = this.#draw.isEven ? (at + 1 + Math.floor(random() * (count - 1))) % count : this.#draw.drawAt(random)
    const first = this.#seats[at]
    const second = this.#seats[other]
    if (first === undefined || second === undefined) return first
    return busyness(second) < busyness(first) ? second : first
  }
}

function busyness({ endpoint, weight }: Seat): number {
  return endpoint.activeRequests / weight
}

/**
 * Each seat has a time at which its turn comes, and moves on by 1 / weight after it: the earliest is next. The times stay in
 * the seats, so that a change of some does not begin the round anew for all.
 */
class RoundRobin implements Picker {
  /** A binary heap, the earliest turn in front. */
  readonly #heap: Seat[]
  #picks: number

  constructor(seats: readonly Seat[]) {
    this.#heap = [...seats]
    this.#picks = seats.reduce((max, { turnOrder }) => Math.max(max, turnOrder), 0)
    // Who comes, or comes back, has no turns to catch up on.
    const known = seats.filter(({ turn }) => turn > 0)
    const now = known.reduce((min, { turn }) => Math.min(min, turn), Number.POSITIVE_INFINITY)
    const begin = Number.isFinite(now) ? now : 0
    for (const seat of seats) if (seat.turn < begin) seat.turn = begin
    for (let at = (this.#heap.length >>> 1) - 1; at >= 0; at--) this.#sink(at)
  }

  pick(): Seat | undefined {
    const seat = this.#heap[0]
    if (seat === undefined) return undefined
    seat.turn += 1 / seat.weight
    seat.turnOrder = ++this.#picks
    this.#sink(0)
    return seat
  }

  #sink(from: number): void {
    const heap = this.#heap
    const seat = heap[from]
    if (seat === undefined) return
    let at = from
    for (;;) {
      const left = 2 * at + 1
      const leftSeat = heap[left]
      if (leftSeat === undefined) break
      const rightSeat = heap[left + 1]
      const isRight = rightSeat !== undefined && isEarlier(rightSeat, leftSeat)
      const earliest = isRight ? rightSeat : leftSeat
      if (!isEarlier(earliest, seat)) break
      heap[at] = earliest
      at = isRight ? left + 1 : left
    }
    heap[at] = seat
  }
}

/** Of two whose turns come together, the one that was picked longer ago. */
function isEarlier(a: Seat, b: Seat): boolean {
  return a.turn < b.turn || (a.turn === b.turn && a.turnOrder < b.turnOrder)
}
