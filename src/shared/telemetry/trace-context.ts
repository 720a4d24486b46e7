import type { Clock } from '#shared/clock'

/** W3C trace context of one connection; here it is a log id, no sampling is decided. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly isSampled: boolean
}

/** Version, ids, flags: 2 + 32 + 16 + 2 hex digits and three dashes (W3C Trace Context §3.2.2). */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

export function newTraceContext(clock: Clock): TraceContext {
  return {
    traceId: `${hex8(clock)}${hex8(clock)}${hex8(clock)}${hex8(clock)}`,
    spanId: `${hex8(clock)}${hex8(clock)}`,
    isSampled: false,
  }
}

/** Reads a `traceparent` from a peer; undefined for anything that is not exactly one of version 00's form. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const [, traceId, spanId, flags] = (text.length === 55 && TRACEPARENT.exec(text)) || []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.isSampled ? '01' : '00'}`
}

/** 1 to 2^32 − 1, so that no id is all zeros. */
function hex8(clock: Clock): string {
  return (1 + Math.floor(clock.random() * 0xffff_fffe)).toString(16).padStart(8, '0')
}
