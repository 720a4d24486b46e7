/** How many members a group has, and how many of them may be picked. */
export interface GroupHealth {
  readonly total: number
  readonly usable: number
  /** Its share when groups share; of no meaning when they are ranked. */
  readonly weight: number
}

export interface GroupLoad {
  /** Of all requests; the loads of all groups make 1, or 0 when nobody may be picked. */
  readonly load: number
  /** Panic: too few are well, so that all of them are used. */
  readonly usesAll: boolean
}

/** A group takes all that is meant for it as long as it has that many of its members: 1 / 1.4, as Envoy does. */
const OVERPROVISIONING = 1.4

/**
 * Ranked groups: each takes what those before it have no room for. When all together have too little room, those below
 * the threshold panic.
 *
 * @param minHealthPercent below that share of well members a group panics; 0 = never
 */
export function spreadOverRanks(groups: readonly GroupHealth[], minHealthPercent: number): readonly GroupLoad[] {
  const rooms = groups.map(roomOf)
  const roomOfAll = Math.min(1, sum(rooms))
  const isPanicking = groups.map(
    ({ total, usable }) => roomOfAll < 1 && total > 0 && (100 * usable) / total < minHealthPercent,
  )
  if (groups.length > 0 && isPanicking.every(Boolean)) {
    const everybody = sum(groups.map(({ total }) => total))
    return groups.map(({ total }) => ({ load: total / everybody, usesAll: true }))
  }
  let left = 1
  return rooms.map((room, at) => {
    const load = roomOfAll === 0 ? 0 : Math.min(left, room / roomOfAll)
    left -= load
    return { load, usesAll: isPanicking[at] === true }
  })
}

/** Groups with shares: what a group has too few members for goes to the others by their shares. */
export function spreadByShares(groups: readonly GroupHealth[], minHealthPercent: number): readonly GroupLoad[] {
  const total = sum(groups.map((group) => group.total))
  const usable = sum(groups.map((group) => group.usable))
  const usesAll = total > 0 && (100 * usable) / total < minHealthPercent
  const weights = groups.map((group) => group.weight * (usesAll ? 1 : roomOf(group)))
  const weight = sum(weights)
  return weights.map((one) => ({ load: weight === 0 ? 0 : one / weight, usesAll }))
}

function roomOf({ total, usable }: GroupHealth): number {
  return total === 0 ? 0 : Math.min(1, (OVERPROVISIONING * usable) / total)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}
