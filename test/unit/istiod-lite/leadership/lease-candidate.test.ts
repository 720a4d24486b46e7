import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock, Timer } from '#shared/clock'
import { LeaseCandidate, leaseTimes } from '../../../../src/istiod-lite/leadership/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { LeaseServer } from '../../../support/lease-server.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const times = leaseTimes(15_000)

const candidate = (
  identity: string,
  clock: Clock,
  client: ReturnType<LeaseServer['client']>,
): { readonly candidate: LeaseCandidate; readonly gauge: { value: number } } => {
  const gauge = { value: 0 }
  const lease = { namespace: 'istio-system', name: 'leader' }
  return {
    candidate: new LeaseCandidate({ client, lease, identity, times, clock, logger: quietLogger, gauge }),
    gauge,
  }
}

describe('a candidate', () => {
  it('leads from the first write on, and tells who wants to know', async () => {
    const clock = new FakeClock()
    const server = new LeaseServer()
    const { candidate: a, gauge } = candidate('a', clock, server.client())
    const told: boolean[] = []
    a.subscribe((isLeader) => void told.push(isLeader))
    a.start()
    await settle()
    expect([a.isLeader, gauge.value, told]).toEqual([true, 1, [false, true]])
    await clock.advance(60_000)
    expect([a.isLeader, told]).toEqual([true, [false, true]])
    expect(server.spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 0 })
  })

  it('hands over as soon as its writes have ended, and another takes at its next look', async () => {
    const clock = new FakeClock()
    const server = new LeaseServer()
    const { candidate: a } = candidate('a', clock, server.client())
    const { candidate: b } = candidate('b', clock, server.client())
    a.start()
    await settle()
    b.start()
    await clock.advance(10_000)
    expect([a.isLeader, b.isLeader]).toEqual([true, false])

    const write = Promise.withResolvers<void>()
    const written = a.perform(() => write.promise)
    const closed = a.close()
    await clock.advance(3_000)
    expect([a.isLeader, b.isLeader, server.spec?.holderIdentity]).toEqual([false, false, 'a'])
    write.resolve()
    await Promise.all([written, closed])
    expect(server.spec?.holderIdentity).toBe('')
    await clock.advance(times.retryMs * 1.1)
    expect(b.isLeader).toBe(true)
    expect(server.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
  })

  it('refuses writes as soon as it can no longer be sure, and begins none', async () => {
    const clock = new FakeClock()
    const server = new LeaseServer()
    let isAway = false
    const client = server.client(async (call) => {
      if (isAway) throw new Error('away')
      return call()
    })
    const { candidate: a } = candidate('a', clock, client)
    a.start()
    await settle()
    isAway = true
    await clock.advance(times.rightMs - 1)
    expect(a.isLeader).toBe(true)
    await clock.advance(1)
    expect(a.isLeader).toBe(false)
    let hasBegun = false
    const write = a.perform(async () => {
      hasBegun = true
    })
    await expect(write).rejects.toMatchObject({ code: 'NOT_LEADER' })
    expect(hasBegun).toBe(false)
    isAway = false
    await clock.advance(times.retryMs * 1.1)
    expect(a.isLeader).toBe(true)
  })

  it('goes on when somebody deletes the lease', async () => {
    const clock = new FakeClock()
    const server = new LeaseServer()
    const { candidate: a } = candidate('a', clock, server.client())
    a.start()
    await settle()
    server.delete()
    await clock.advance(times.retryMs * 3)
    expect([a.isLeader, server.spec?.holderIdentity]).toEqual([true, 'a'])
  })

  it('gives back also what it had got just while it was closed', async () => {
    const clock = new FakeClock()
    const server = new LeaseServer()
    const { candidate: a } = candidate('a', clock, server.client())
    a.start()
    await a.close()
    expect(a.isLeader).toBe(false)
    expect(server.spec?.holderIdentity ?? '').toBe('')
  })
})

/** A machine of its own: its wall clock may jump, and its process may stop for a while. */
class Machine implements Clock {
  readonly #base: FakeClock
  readonly #late: (() => void)[] = []
  wallOffsetMs = 0
  isPaused = false

  constructor(base: FakeClock) {
    this.#base = base
  }

  nowMs(): number {
    return this.#base.nowMs() + this.wallOffsetMs
  }

  monotonicMs(): number {
    return this.#base.monotonicMs()
  }

  random(): number {
    return 0.5
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    let isCancelled = false
    const run = (): void => {
      if (!isCancelled) fire()
    }
    const timer = this.#base.setTimer(delayMs, () => {
      if (this.isPaused) this.#late.push(run)
      else run()
    })
    const cancel = (): void => {
      isCancelled = true
      timer.cancel()
    }
    return { cancel }
  }

  /** Resolves when the process runs. */
  awake(): Promise<void> {
    if (!this.isPaused) return Promise.resolve()
    return new Promise((resolve) => void this.#late.push(resolve))
  }

  resume(): void {
    this.isPaused = false
    for (const run of this.#late.splice(0)) run()
  }
}

interface Act {
  readonly machine: number
  readonly kind: 'pause' | 'resume' | 'jump' | 'cut' | 'mend' | 'close' | 'delay' | 'lose answers'
  readonly amount: number
  readonly waitMs: number
}

interface Landed {
  readonly by: number
  readonly begunMs: number
  readonly landedMs: number
}

const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.record({
    machine: fc.integer({ min: 0, max: 1 }),
    kind: fc.constantFrom<Act['kind'][]>('pause', 'resume', 'jump', 'cut', 'mend', 'close', 'delay', 'lose answers'),
    amount: fc.integer({ min: -40_000, max: 40_000 }),
    waitMs: fc.integer({ min: 0, max: 20_000 }),
  }),
  { minLength: 5, maxLength: 30 },
)

describe('two candidates', () => {
  it('never lead at once, and no write of one lands after the other began to lead', async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (all) => {
        const base = new FakeClock()
        const server = new LeaseServer()
        const machines = [new Machine(base), new Machine(base)] as const
        const ways = machines.map(() => ({ delayMs: 0, isCut: false, losesAnswers: false }))
        /** Whose write landed, in order; a write is begun each half second by whoever leads, and takes its longest. */
        const landed: Landed[] = []
        const pause = (ms: number): Promise<void> => new Promise((resolve) => void base.setTimer(ms, resolve))

        const candidates = machines.map((machine, i) => {
          const way = ways[i] as (typeof ways)[number]
          const client = server.client(async (call) => {
            const { isCut, losesAnswers, delayMs } = way
            // A client with a time limit tells a failure by then.
            if (delayMs > 0) await pause(Math.min(delayMs, times.writeTimeoutMs))
            if (isCut || delayMs > times.writeTimeoutMs) {
              await machine.awake()
              throw new Error('no answer')
            }
            const answer = await Promise.resolve().then(call)
            await machine.awake()
            if (losesAnswers) throw new Error('the answer was lost')
            return answer
          })
          return candidate(`c${i}`, machine, client).candidate
        })
        const check = (): void => {
          const leading = candidates.filter(({ isLeader }, i) => isLeader && !machines[i]?.isPaused)
          expect(leading.length).toBeLessThan(2)
          candidates.forEach((each, i) => {
            if (machines[i]?.isPaused || !each.isLeader) return
            const begunMs = base.monotonicMs()
            void each.perform(async () => {
              await pause(times.writeTimeoutMs - 1)
              landed.push({ by: i, begunMs, landedMs: base.monotonicMs() })
            })
          })
        }

        for (const each of candidates) each.start()
        for (const { machine, kind, amount, waitMs } of all) {
          const of = machines[machine] as Machine
          const way = ways[machine] as (typeof ways)[number]
          if (kind === 'pause') of.isPaused = true
          if (kind === 'resume') of.resume()
          if (kind === 'jump') of.wallOffsetMs += amount
          if (kind === 'cut') way.isCut = true
          if (kind === 'mend') Object.assign(way, { isCut: false, losesAnswers: false, delayMs: 0 })
          if (kind === 'delay') way.delayMs = Math.abs(amount) / 8
          if (kind === 'lose answers') way.losesAnswers = true
          if (kind === 'close' && amount > 30_000) void candidates[machine]?.close()
          for (let waited = 0; waited < waitMs; waited += 500) {
            await base.advance(500)
            check()
          }
        }
        await base.advance(times.writeTimeoutMs)
        const byBegin = landed.toSorted((a, b) => a.begunMs - b.begunMs)
        // Of the other's later writes the first is the one that tells.
        const firstAfter = (late: Landed): Landed | undefined =>
          byBegin.find(({ by, begunMs }) => by !== late.by && begunMs > late.begunMs)
        const overtaken = landed.filter(
          (late) => late.landedMs >= (firstAfter(late)?.begunMs ?? Number.POSITIVE_INFINITY),
        )
        expect(overtaken, 'writes of the one before').toEqual([])
      }),
      { numRuns: 150 },
    )
    // Hours of two machines' lives: seconds on one core, more beside other work.
  }, 30_000)
})
