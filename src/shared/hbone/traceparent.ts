import type { Clock } from '#shared/clock'

/** W3C trace context, version 00: `00-<32 hex>-<16 hex>-<2 hex>`. In HBONE it is an id for the log, no more. */
export interface Traceparent {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string
  /** 0 to 255. */
  readonly flags: number
}

const PARTS = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const ALL_ZERO = /^0+$/

/** A fresh id for one connection. */
export function newTraceparent(clock: Clock): Traceparent {
  return {
    traceId: `${word(clock)}${word(clock)}${word(clock)}${word(clock)}`,
    spanId: word(clock) + word(clock),
    flags: 0,
  }
}

/** The same trace with a span of its own. */
export function childTraceparent(parent: Traceparent, clock: Clock): Traceparent {
  return { ...parent, spanId: word(clock) + word(clock) }
}

export function formatTraceparent({ traceId, spanId, flags }: Traceparent): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`
}

/** Undefined for anything but a whole, valid value: peers send what they like. */
export function parseTraceparent(value: string | undefined): Traceparent | undefined {
  const [, version = 'ff', traceId = '', spanId = '', flags = ''] = PARTS.exec(value ?? '') ?? []
  if (version === 'ff' || ALL_ZERO.test(traceId) || ALL_ZERO.test(spanId)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) }
}

/** `00` to `ff`: an id is made for each connection, and `toString(16)` leaves compiled code. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Eight hex digits, never all zero, as an id must not be. */
function word(clock: Clock): string {
  const number = Math.floor(clock.random() * 2 ** 32) || 1
  return `${HEX[number >>> 24]}${HEX[(number >>> 16) & 0xff]}${HEX[(number >>> 8) & 0xff]}${HEX[number & 0xff]}`
}
