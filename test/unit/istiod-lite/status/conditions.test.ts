import { describe, expect, it } from 'vitest'
import { EventBudget } from '../../../../src/istiod-lite/status/event-budget.ts'
import { editConditions, type StatedCondition, type StatusChange } from '../../../../src/istiod-lite/status/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const BEFORE = '2026-01-01T00:00:00Z'
const NOW = '2026-01-02T00:00:00Z'
const stated = (more: Partial<StatedCondition> = {}): StatedCondition => ({
  type: 'Ours',
  status: 'True',
  reason: 'Fine',
  message: 'all is well',
  event: 'Warning',
  ...more,
})
const written = (more: object = {}): object => ({
  type: 'Ours',
  status: 'True',
  reason: 'Fine',
  message: 'all is well',
  lastTransitionTime: BEFORE,
  observedGeneration: 1,
  ...more,
})
const theirs = { type: 'Theirs', status: 'False', reason: 'No', message: '', more: 'kept' }
const edit = (
  all: readonly StatedCondition[],
  conditions: unknown,
  generation: number | undefined = 1,
): StatusChange | undefined =>
  editConditions({ ownTypes: new Set(['Ours', 'Old']), stated: all, observedGeneration: generation })(
    { conditions },
    NOW,
  )

describe('conditions in a status', () => {
  it('change nothing when they say already what they shall', () => {
    expect(edit([stated()], [theirs, written()])).toBeUndefined()
    expect(edit([], [theirs])).toBeUndefined()
    expect(edit([], undefined)).toBeUndefined()
  })

  it('stand beside those of others, in their place; types of ours that nobody states go', () => {
    const change = edit([stated({ reason: 'Other' })], [written(), theirs, written({ type: 'Old' })])
    expect(change?.patch.conditions).toEqual([written({ reason: 'Other' }), theirs])
    expect(edit([], [written()])?.patch).toEqual({ conditions: null })
  })

  it.each<[string, Partial<StatedCondition>, string, number]>([
    ['a new status moves the time and is an event', { status: 'False' }, NOW, 1],
    ['a new reason is an event and keeps the time', { reason: 'Other' }, BEFORE, 1],
    ['a new message is an event and keeps the time', { message: 'else' }, BEFORE, 1],
    ['what is no news is no event', { reason: 'Other', event: 'none' }, BEFORE, 0],
  ])('%s', (_what, more, time, events) => {
    const change = edit([stated(more)], [written()])
    expect(change?.patch.conditions).toMatchObject([{ lastTransitionTime: time }])
    expect(change?.events).toHaveLength(events)
  })

  it('follow the generation without an event', () => {
    const change = edit([stated()], [written()], 2)
    expect(change).toEqual({ patch: { conditions: [written({ observedGeneration: 2 })] }, events: [] })
  })

  it('are cut to a length that people read', () => {
    const change = edit([stated({ message: 'x'.repeat(5_000) })], [])
    expect(change?.patch.conditions).toMatchObject([{ message: expect.stringMatching(/^x{2047}…$/) }])
  })
})

describe('the budget of events', () => {
  it('is bounded for one object and for all, and there is a new one each minute', async () => {
    const clock = new FakeClock()
    const budget = new EventBudget(clock)
    const taken = (object: (i: number) => string): number =>
      Array.from({ length: 1_000 }, (_, i) => budget.take(object(i))).filter(Boolean).length
    expect(taken(() => 'one')).toBe(10)
    expect(taken(String)).toBe(290)
    await clock.advance(60_000)
    expect(taken(() => 'one')).toBe(10)
  })
})
