import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AttemptCount,
  readAttemptCount,
  shareOf,
  writeAttemptCount,
} from '../../../../src/waypoint/resilience/attempt-count.ts'
import { ListFields } from './fakes.ts'

const TRACE = ['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`] as const

describe('the count', () => {
  it.each([
    [[['x-ambit-attempt', '2-0']], { attempt: 2, extra: 0 }],
    [[['x-ambit-attempt', '1-9']], { attempt: 1, extra: 3 }],
    [[['tracestate', 'a=1, ambit=3-0,b=2']], { attempt: 3, extra: 0 }],
    [
      [
        ['tracestate', 'a=1'],
        ['tracestate', 'ambit=1-1'],
      ],
      { attempt: 1, extra: 1 },
    ],
    [[['tracestate', 'notambit=3-0']], undefined],
    [[['x-ambit-attempt', '0-1']], undefined],
    [[['x-ambit-attempt', '1-10']], undefined],
    [[['x-ambit-attempt', 'x']], undefined],
    [[], undefined],
  ] as const)('is read from %j', (lines, expected) => {
    expect(readAttemptCount(new ListFields(lines))).toEqual(expected)
  })

  it('goes first in tracestate, once, and leaves other members as they were', () => {
    const fields = new ListFields([TRACE, ['tracestate', 'a=1,ambit=1-1'], ['tracestate', 'b=2']])
    writeAttemptCount(fields, { attempt: 2, extra: 0 })
    expect(fields.values('tracestate')).toEqual(['ambit=2-0,a=1,b=2'])
    expect(fields.get('x-ambit-attempt')).toBe('2-0')
  })

  it('keeps tracestate within 32 members, and writes none without a trace', () => {
    const many = Array.from({ length: 40 }, (_, i) => `k${i}=1`).join(',')
    const fields = new ListFields([TRACE, ['tracestate', many]])
    writeAttemptCount(fields, { attempt: 1, extra: 1 })
    expect(fields.get('tracestate')?.split(',')).toHaveLength(32)
    const bare = new ListFields()
    writeAttemptCount(bare, { attempt: 1, extra: 1 })
    expect(bare.has('tracestate')).toBe(false)
  })

  it('is read as it was written, and anything else is read or not, but never throws', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.integer({ min: 0, max: 3 }),
        fc.string(),
        (attempt, extra, state) => {
          const fields = new ListFields([TRACE, ['tracestate', state]])
          writeAttemptCount(fields, { attempt, extra })
          const header = readAttemptCount(fields)
          fields.remove('x-ambit-attempt')
          expect([header, readAttemptCount(fields)]).toEqual([
            { attempt, extra },
            { attempt, extra },
          ])
          readAttemptCount(new ListFields([['x-ambit-attempt', state]]))
        },
      ),
    )
  })
})

/** Calls that the last service of a chain sees when it never answers well and every hop repeats what fails. */
function callsAtTheEnd(retries: readonly number[], came?: AttemptCount): number {
  const [own, ...behind] = retries
  if (own === undefined) return 1
  const share = shareOf(came, own, true)
  let calls = 0
  for (let repeat = 0; repeat <= share.repeats; repeat++) {
    const { handedOn } = share
    calls += callsAtTheEnd(
      behind,
      handedOn === undefined || repeat === 0 ? handedOn : { attempt: handedOn.attempt + repeat, extra: 0 },
    )
  }
  return calls
}

describe('retries of one hop after the other', () => {
  it.each([
    [[2, 2, 2], 27, 4],
    [[3, 3, 3], 64, 4],
    [[2], 3, 3],
    [[5], 6, 6],
    [[5, 5], 36, 6],
    [[0, 0, 3], 4, 4],
    [[1, 1, 1], 8, 4],
  ])('%j make %i calls elsewhere and %i here', (retries, elsewhere, here) => {
    expect(retries.reduce((calls, own) => calls * (own + 1), 1)).toBe(elsewhere)
    expect(callsAtTheEnd(retries)).toBe(here)
  })

  it('never make more calls than the longer one of 4 and the first policy that repeats', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 6 }), (retries) => {
        const first = retries.find((own) => own > 0) ?? 0
        expect(callsAtTheEnd(retries)).toBeLessThanOrEqual(Math.max(4, first + 1))
      }),
    )
  })

  it('are never more for a client that lies about its count', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 9 }), (attempt, extra) => {
        const came = readAttemptCount(new ListFields([['x-ambit-attempt', `${attempt}-${extra}`]]))
        expect(callsAtTheEnd([2, 2, 2], came)).toBeLessThanOrEqual(callsAtTheEnd([2, 2, 2]))
      }),
    )
  })
})
