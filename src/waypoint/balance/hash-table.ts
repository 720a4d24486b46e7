import { formatConnectTarget } from '#shared/hbone'
import type { HashTable } from '#shared/l7'
import { hashOf, rehash } from './hash.ts'
import type { Seat } from './seat.ts'

/** From a hash to the seat that has it. The same hash keeps its seat unless that seat goes, or a new one takes it over. */
export interface SeatTable {
  seatOf(hash: number): Seat | undefined
}

/** No table grows beyond that, whatever sizes and weights ask for. */
const MAX_POINTS = 1 << 20
/** A ring with fewer spreads too unevenly to be of use when a cluster has more endpoints than its size is meant for. */
const MIN_POINTS_PER_SEAT = 64

export function seatTable(seats: readonly Seat[], table: HashTable): SeatTable {
  // By name, so that every waypoint builds the same table whatever the order in which it heard of the endpoints.
  const named = seats.map((seat) => ({ seat, name: formatConnectTarget(seat.endpoint.address) }))
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return table.kind === 'ring' ? ringOf(named, table.minimumSize) : maglevOf(named, table.size)
}

interface NamedSeat {
  readonly seat: Seat
  readonly name: string
}

/** How many seats a point can tell apart: the rest of the 53 bits of a number are the hash. */
const SEATS_PER_POINT = 1 << 20

/** Points on a circle, as many for each seat as its weight says; a hash belongs to the next point. */
function ringOf(seats: readonly NamedSeat[], minimumSize: number): SeatTable {
  const total = seats.reduce((sum, { seat }) => sum + seat.workload.capacity, 0)
  const size = Math.min(MAX_POINTS, Math.max(minimumSize, MIN_POINTS_PER_SEAT * seats.length))
  const counts = seats.map(({ seat }) => Math.max(1, Math.round((size * seat.workload.capacity) / total)))
  const points = new Float64Array(counts.reduce((a, b) => a + b, 0))
  let at = 0
  for (const [index, { name }] of seats.entries()) {
    const hash = hashOf(name)
    for (let i = 0; i < (counts[index] ?? 0); i++) points[at++] = rehash(hash, i) * SEATS_PER_POINT + index
  }
  points.sort()
  return {
    seatOf: (hash) => seats[(points[firstAtLeast(points, hash * SEATS_PER_POINT)] ?? 0) % SEATS_PER_POINT]?.seat,
  }
}

/** The first point at or behind `wanted`, or the very first behind the last. */
function firstAtLeast(points: Float64Array, wanted: number): number {
  let low = 0
  let high = points.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((points[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return low === points.length ? 0 : low
}

const FREE = -1
const OFFSET_SEED = 0x5eed
const SKIP_SEED = 0x51b9

/**
 * Maglev (Eisenbud et al., 2016, §3.4): each seat has a permutation of the table's places, and takes the next free one of
 * it in turn, as often as its weight is of the greatest. `size` must be a prime, which 65,537 is.
 */
function maglevOf(seats: readonly NamedSeat[], size: number): SeatTable {
  const places = new Int32Array(size).fill(FREE)
  const greatest = seats.reduce((max, { seat }) => Math.max(max, seat.workload.capacity), 0)
  // In typed arrays, as a thousand endpoints that roll out have the table made anew a thousand times.
  const next = Uint32Array.from(seats, ({ name }) => hashOf(name, OFFSET_SEED) % size)
  const skips = Uint32Array.from(seats, ({ name }) => (hashOf(name, SKIP_SEED) % (size - 1)) + 1)
  const shares = Float64Array.from(seats, ({ seat }) => seat.workload.capacity / greatest)
  /** Turns that a seat's weight has earned and it has not taken. */
  const earned = new Float64Array(seats.length)
  for (let taken = 0; taken < size && seats.length > 0; ) {
    for (let index = 0; index < seats.length && taken < size; index++) {
      const turns = (earned[index] ?? 0) + (shares[index] ?? 0)
      earned[index] = turns < 1 ? turns : turns - 1
      if (turns < 1) continue
      const skip = skips[index] ?? 1
      let place = next[index] ?? 0
      while (places[place] !== FREE) place = (place + skip) % size
      places[place] = index
      next[index] = (place + skip) % size
      taken++
    }
  }
  return { seatOf: (hash) => seats[places[hash % size] ?? FREE]?.seat }
}
