const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR = 365 * DAY

/** An age as kubectl shows it: two units where one would be too coarse (`5m3s`, `47h`, `3d4h`). */
export function humanAge(ageMs: number): string {
  const seconds = Math.floor(ageMs / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 2 * MINUTE) return `${seconds}s`
  if (seconds < 10 * MINUTE) return two(seconds, MINUTE, 'm', 1, 's')
  if (seconds < 3 * HOUR) return `${Math.floor(seconds / MINUTE)}m`
  if (seconds < 8 * HOUR) return two(seconds, HOUR, 'h', MINUTE, 'm')
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)}h`
  if (seconds < 8 * DAY) return two(seconds, DAY, 'd', HOUR, 'h')
  if (seconds < 2 * YEAR) return `${Math.floor(seconds / DAY)}d`
  if (seconds < 8 * YEAR) return two(seconds, YEAR, 'y', DAY, 'd')
  return `${Math.floor(seconds / YEAR)}y`
}

/** The age of an RFC 3339 time; `<unknown>` when there is none. */
export function ageSince(time: unknown, nowMs: number): string {
  const sinceMs = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(sinceMs) ? '<unknown>' : humanAge(nowMs - sinceMs)
}

function two(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small)
  const first = `${Math.floor(seconds / large)}${largeName}`
  return rest === 0 ? first : `${first}${rest}${smallName}`
}
