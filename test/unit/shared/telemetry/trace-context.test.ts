import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatTraceparent, newTraceContext, parseTraceparent } from '#shared/telemetry'
import { FakeClock } from '../../../support/fake-clock.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

describe('trace context', () => {
  it('reads what it writes', () => {
    const context = { traceId: TRACE, spanId: SPAN, isSampled: true }
    expect(formatTraceparent(context)).toBe(`00-${TRACE}-${SPAN}-01`)
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual(context)
  })

  it('makes ids that are never all zeros', () => {
    const clock = new FakeClock()
    clock.randomValue = 0
    const made = newTraceContext(clock)
    expect(parseTraceparent(formatTraceparent(made))).toEqual(made)
  })

  it.each([
    '',
    '0'.repeat(55),
    `00-${'0'.repeat(32)}-${SPAN}-00`,
    `00-${TRACE}-${'0'.repeat(16)}-00`,
    `ff-${TRACE}-${SPAN}-00`,
    `00-${TRACE.toUpperCase()}-${SPAN}-00`,
    `00-${TRACE}-${SPAN}-0`,
    `00-${TRACE}-${SPAN}-000`,
  ])('does not read %j', (text) => {
    expect(parseTraceparent(text)).toBeUndefined()
  })

  it('never throws on what a peer sends', () => {
    fc.assert(fc.property(fc.string({ maxLength: 60 }), (text) => void parseTraceparent(text)))
  })
})
