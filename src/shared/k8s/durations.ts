import { type Shape, shown } from '#shared/document'

/** Longest time that can be told on the wire: 49 days. */
const MAX_MS = 0xffff_ffff
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
}

/** `1h30m`, `2.5s`, `100ms` in milliseconds; undefined when it is no such time, or too long. Less than 1 ms counts as 1. */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0
  if (text.length > 32 || !WHOLE.test(text)) return undefined
  let ms = 0
  for (const [, number, unit = ''] of text.matchAll(PART)) ms += Number(number) * (UNIT_MS[unit] ?? 0)
  if (ms > MAX_MS) return undefined
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0
}

/** A time of a document, in milliseconds. */
export const durationMs: Shape<number> = (value, path, report) => {
  const ms = typeof value === 'string' ? parseDurationMs(value) : undefined
  if (ms === undefined) report(path, `must be a time such as 10s, 1m30s or 250ms, is ${shown(value)}`)
  return ms ?? 0
}
