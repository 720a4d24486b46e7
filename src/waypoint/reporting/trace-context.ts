import type { Fields } from '../codec/index.ts'

/** Where a request stands in a trace. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits: ours. */
  readonly spanId: string
  /** Whose child our span is; undefined = it is the first one. */
  readonly parentId: string | undefined
  readonly isSampled: boolean
}

interface Came {
  readonly traceId: string
  readonly parentId: string
  /** Undefined = whoever gets it decides. */
  readonly isSampled: boolean | undefined
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/
const B3 = /^([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/
const TRACE_ID = /^(?:[0-9a-f]{32}|[0-9a-f]{16})$/
const SPAN_ID = /^[0-9a-f]{16}$/
const ZEROS = /^0+$/

/** W3C first, then B3 in one field, then in several; what is not whole and valid is as if it had not come. */
export function readTrace(fields: Fields): Came | undefined {
  const traceparent = fields.get('traceparent')
  if (traceparent !== undefined) {
    const [, version = 'ff', traceId = '', parentId = '', flags = ''] = TRACEPARENT.exec(traceparent) ?? []
    const came = valid(traceId, parentId, (Number.parseInt(flags, 16) & 1) === 1)
    // Version 00 has nothing behind its flags; of later ones the beginning is the same.
    if (version !== 'ff' && (version !== '00' || traceparent.length === 55) && came !== undefined) return came
  }
  const b3 = fields.get('b3')
  if (b3 !== undefined) {
    const [, traceId = '', parentId = '', state] = B3.exec(b3) ?? []
    const came = valid(traceId, parentId, decided(state))
    if (came !== undefined) return came
  }
  const [traceId, spanId] = [fields.get('x-b3-traceid'), fields.get('x-b3-spanid')]
  if (traceId === undefined || spanId === undefined || !TRACE_ID.test(traceId) || !SPAN_ID.test(spanId))
    return undefined
  const state = fields.get('x-b3-flags') === '1' ? 'd' : fields.get('x-b3-sampled')
  return valid(traceId, spanId, decided(state === 'true' ? '1' : state === 'false' ? '0' : state))
}

/** A decision not to sample that came without a trace. */
export function isUnsampled(fields: Fields): boolean {
  return fields.get('b3') === '0' || fields.get('x-b3-sampled') === '0'
}

/**
 * Tells the next one that our span is its parent, in each of the forms that came; in W3C's when none did.
 */
export function writeTrace(fields: Fields, { traceId, spanId, parentId, isSampled }: TraceContext): void {
  const sampled = isSampled ? '1' : '0'
  const hasB3 = fields.has('b3')
  const hasMulti = fields.has('x-b3-traceid') || fields.has('x-b3-sampled')
  if (fields.has('traceparent') || (!hasB3 && !hasMulti)) {
    fields.set('traceparent', `00-${traceId}-${spanId}-0${sampled}`)
  }
  if (hasB3) fields.set('b3', `${traceId}-${spanId}-${sampled}${parentId === undefined ? '' : `-${parentId}`}`)
  if (!hasMulti) return
  fields.set('x-b3-traceid', traceId)
  fields.set('x-b3-spanid', spanId)
  if (parentId === undefined) fields.remove('x-b3-parentspanid')
  else fields.set('x-b3-parentspanid', parentId)
  fields.set('x-b3-sampled', sampled)
}

function valid(traceId: string, parentId: string, isSampled: boolean | undefined): Came | undefined {
  if (traceId === '' || ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined
  return { traceId: traceId.padStart(32, '0'), parentId, isSampled }
}

function decided(state: string | undefined): boolean | undefined {
  if (state === '1' || state === 'd') return true
  return state === '0' ? false : undefined
}
