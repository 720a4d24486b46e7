import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isUnsampled, readTrace, writeTrace } from '../../../../src/waypoint/reporting/trace-context.ts'
import { ListFields } from '../resilience/fakes.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const OURS = { traceId: TRACE, spanId: 'aaaaaaaaaaaaaaaa', parentId: SPAN, isSampled: true }

type Lines = readonly (readonly [string, string])[]

describe('trace context', () => {
  const cases: readonly [Lines, boolean | undefined][] = [
    [[['traceparent', `00-${TRACE}-${SPAN}-01`]], true],
    [[['traceparent', `00-${TRACE}-${SPAN}-00`]], false],
    [[['traceparent', `01-${TRACE}-${SPAN}-01-more`]], true],
    [[['b3', `${TRACE}-${SPAN}-1`]], true],
    [[['b3', `${TRACE}-${SPAN}-d`]], true],
    [[['b3', `${TRACE}-${SPAN}-0-${SPAN}`]], false],
    [[['b3', `${TRACE}-${SPAN}`]], undefined],
    [
      [
        ['x-b3-traceid', TRACE],
        ['x-b3-spanid', SPAN],
        ['x-b3-sampled', '1'],
      ],
      true,
    ],
    [
      [
        ['x-b3-traceid', TRACE],
        ['x-b3-spanid', SPAN],
        ['x-b3-flags', '1'],
      ],
      true,
    ],
    [
      [
        ['x-b3-traceid', TRACE],
        ['x-b3-spanid', SPAN],
      ],
      undefined,
    ],
    [
      [
        ['traceparent', 'broken'],
        ['b3', `${TRACE}-${SPAN}-1`],
      ],
      true,
    ],
  ]
  it.each(cases)('is read from %j', (lines, isSampled) => {
    expect(readTrace(new ListFields(lines))).toEqual({ traceId: TRACE, parentId: SPAN, isSampled })
  })

  it('of 64 bits is one of 128 with zeros before it', () => {
    expect(readTrace(new ListFields([['b3', `${SPAN}-${SPAN}-1`]]))?.traceId).toBe(`0000000000000000${SPAN}`)
  })

  it.each([
    [[]],
    [[['traceparent', `ff-${TRACE}-${SPAN}-01`]]],
    [[['traceparent', `00-${TRACE}-${SPAN}-01-more`]]],
    [[['traceparent', `00-${'0'.repeat(32)}-${SPAN}-01`]]],
    [[['traceparent', `00-${TRACE}-${'0'.repeat(16)}-01`]]],
    [[['traceparent', `00-${TRACE.toUpperCase()}-${SPAN}-01`]]],
    [[['b3', '0']]],
    [[['x-b3-traceid', TRACE]]],
  ] as readonly (readonly [Lines])[])('is not read from %j', (lines) => {
    expect(readTrace(new ListFields(lines))).toBeUndefined()
  })

  it('goes on in the forms in which it came', () => {
    const w3c = new ListFields([['traceparent', 'x']])
    writeTrace(w3c, OURS)
    expect([w3c.get('traceparent'), w3c.has('b3')]).toEqual([`00-${TRACE}-aaaaaaaaaaaaaaaa-01`, false])
    const single = new ListFields([['b3', 'x']])
    writeTrace(single, OURS)
    expect([single.get('b3'), single.has('traceparent')]).toEqual([`${TRACE}-aaaaaaaaaaaaaaaa-1-${SPAN}`, false])
    const multi = new ListFields([
      ['x-b3-traceid', 'x'],
      ['x-b3-parentspanid', 'y'],
    ])
    writeTrace(multi, { ...OURS, parentId: undefined, isSampled: false })
    expect(['x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled'].map((name) => multi.get(name))).toEqual(
      [TRACE, 'aaaaaaaaaaaaaaaa', undefined, '0'],
    )
  })

  it('begins in W3C’s form, and knows a lone decision not to sample', () => {
    const fields = new ListFields()
    writeTrace(fields, OURS)
    expect(fields.has('traceparent')).toBe(true)
    expect([isUnsampled(new ListFields([['b3', '0']])), isUnsampled(fields)]).toEqual([true, false])
  })

  it('of any text is read or not, and what is read can be written and read again', () => {
    const hex = (size: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: size, maxLength: size })
    const near = fc.tuple(hex(2), hex(32), hex(16), hex(2)).map((parts) => parts.join('-'))
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), fc.constantFrom('traceparent', 'b3'), (text, name) => {
        const came = readTrace(new ListFields([[name, text]]))
        if (came === undefined) return
        const fields = new ListFields([[name, text]])
        writeTrace(fields, { ...OURS, traceId: came.traceId, isSampled: came.isSampled ?? true })
        expect(readTrace(fields)).toEqual({ ...came, parentId: OURS.spanId, isSampled: came.isSampled ?? true })
      }),
    )
  })
})
