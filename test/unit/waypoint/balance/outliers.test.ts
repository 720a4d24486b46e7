import { beforeEach, describe, expect, it } from 'vitest'
import type { OutlierDetection } from '#shared/l7'
import { ejectionMs, mayEject, OutlierWatch } from '../../../../src/waypoint/balance/outliers.ts'
import { LiveEndpoint, Seat } from '../../../../src/waypoint/balance/seat.ts'
import type { AttemptOutcome } from '../../../../src/waypoint/balance/types.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { ip, workload } from '../../../support/mesh-builder.ts'
import { OUTLIERS } from '../../../support/outlier-policies.ts'

let clock: FakeClock
let changes: number
let seats: readonly Seat[]

function watch(policy: Partial<OutlierDetection>): OutlierWatch {
  const found = new OutlierWatch({
    clock,
    seats: () => seats,
    seatCount: () => seats.length,
    onChanged: () => changes++,
  })
  found.use({ ...OUTLIERS, ...policy })
  return found
}

function seat(name: string): Seat {
  const address = { kind: 'address', ip: ip('10.0.0.1'), port: 80 } as const
  return new Seat(new LiveEndpoint(workload({ name }), address), 0)
}

const answered = (status: number): AttemptOutcome => ({ kind: 'answered', status })
const refused: AttemptOutcome = { kind: 'failed', isLocalOrigin: true }
const reset: AttemptOutcome = { kind: 'failed', isLocalOrigin: false }
const givenUp: AttemptOutcome = { kind: 'given-up' }
const times = (count: number, outcome: AttemptOutcome): readonly AttemptOutcome[] => new Array(count).fill(outcome)

beforeEach(() => {
  clock = new FakeClock()
  changes = 0
  seats = ['a', 'b', 'c', 'd'].map(seat)
})

describe('who is ejected', () => {
  const gatewayOnly = { consecutive5xx: 0, consecutiveGatewayErrors: 3 }
  const split = { splitsLocalErrors: true, consecutiveLocalFailures: 2 }
  it.each<[string, Partial<OutlierDetection>, readonly AttemptOutcome[], boolean]>([
    ['five 5xx in a row', {}, times(5, answered(500)), true],
    ['four are not enough', {}, times(4, answered(500)), false],
    ['a success begins the row anew', {}, [...times(4, answered(500)), answered(200), answered(500)], false],
    ['a 404 is a success', {}, [...times(4, answered(500)), answered(404), answered(500)], false],
    ['no answer counts as 5xx', {}, [...times(3, reset), ...times(2, refused)], true],
    ['what was given up says nothing', {}, [...times(4, answered(503)), givenUp], false],
    ['and does not interrupt the row', {}, [...times(4, answered(503)), givenUp, answered(503)], true],
    ['a threshold of 0 is none', { consecutive5xx: 0 }, times(50, answered(500)), false],
    ['three gateway errors in a row', gatewayOnly, [answered(502), answered(503), answered(504)], true],
    ['a 500 is no gateway error', gatewayOnly, [answered(502), answered(503), answered(500), answered(504)], false],
    ['failures of the way count for themselves when split', split, times(2, refused), true],
    ['then not as 5xx', { ...split, consecutiveLocalFailures: 9 }, times(8, refused), false],
    ['and an answer of any kind ends their row', split, [refused, answered(500), refused], false],
    ['a reset by the endpoint stays a 5xx when split', split, times(5, reset), true],
    ['a 0 in the percentage is nobody', { maxEjectionPercent: 0 }, times(9, answered(500)), false],
  ])('%s', (_, policy, outcomes, expected) => {
    const [first] = seats
    const outliers = watch(policy)
    for (const outcome of outcomes) outliers.record(first!, outcome)
    expect(first!.isEjected).toBe(expected)
    expect(changes).toBe(expected ? 1 : 0)
  })

  it.each<[ejected: number, all: number, percent: number, expected: boolean]>([
    [0, 3, 10, true],
    [1, 3, 10, false],
    [0, 1, 10, false],
    [0, 1, 100, true],
    [1, 4, 50, true],
    [2, 4, 50, false],
    [3, 4, 100, true],
  ])('with %d of %d ejected and %d %% allowed, another one: %s', (ejected, all, percent, expected) => {
    expect(mayEject(ejected, all, percent)).toBe(expected)
  })
})

describe('how long', () => {
  it.each<[number, number]>([
    [1, 30_000],
    [2, 60_000],
    [10, 300_000],
    [50, 300_000],
  ])('the ejection number %d lasts %d ms', (ejections, expected) => {
    expect(ejectionMs(ejections, OUTLIERS)).toBe(expected)
  })

  it('a base time beyond the longest one counts', () => {
    expect(ejectionMs(3, { ...OUTLIERS, baseEjectionMs: 400_000 })).toBe(400_000)
  })

  it('lets in at the first interval after its time, ejects for longer the next time, and forgives with time', async () => {
    const [first] = seats
    const outliers = watch({})
    const fail = (): void => {
      for (const outcome of times(5, answered(500))) outliers.record(first!, outcome)
    }
    fail()
    await clock.advance(29_999)
    expect(first!.isEjected).toBe(true)
    await clock.advance(1)
    expect(first!.isEjected).toBe(false)
    fail()
    await clock.advance(59_000)
    expect(first!.isEjected).toBe(true)
    await clock.advance(1_000)
    expect(first!.isEjected).toBe(false)
    expect(first!.ejections).toBe(2)
    await clock.advance(20_000)
    expect(first!.ejections).toBe(0)
    expect(outliers.ejections).toBe(2)
  })

  it('keeps no timer while all are well', async () => {
    const outliers = watch({})
    outliers.record(seats[0]!, answered(500))
    expect(clock.pendingTimers).toBe(0)
    for (const outcome of times(4, answered(500))) outliers.record(seats[0]!, outcome)
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(60_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('ends every ejection when detection is switched off', () => {
    const outliers = watch({})
    for (const outcome of times(5, answered(500))) outliers.record(seats[0]!, outcome)
    outliers.use(undefined)
    expect(seats[0]!.isEjected).toBe(false)
    expect(clock.pendingTimers).toBe(0)
  })

  it('makes room for another ejection when an ejected endpoint leaves', () => {
    const outliers = watch({ maxEjectionPercent: 25 })
    const fail = (one: Seat): void => {
      for (const outcome of times(5, answered(500))) outliers.record(one, outcome)
    }
    fail(seats[0]!)
    fail(seats[1]!)
    expect(seats.map(({ isEjected }) => isEjected)).toEqual([true, false, false, false])
    outliers.forget(seats[0]!)
    fail(seats[1]!)
    expect(seats[1]!.isEjected).toBe(true)
  })
})
