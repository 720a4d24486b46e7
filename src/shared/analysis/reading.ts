import { isRecord } from '#shared/document'
import type { Json } from './types.ts'

/** What stands at a path; undefined where the document is of another form. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((found, part) => {
    if (Array.isArray(found)) return found[Number(part)]
    return isRecord(found) ? found[part] : undefined
  }, value)
}

export function recordAt(value: unknown, ...path: readonly (string | number)[]): Json {
  const found = at(value, ...path)
  return isRecord(found) ? found : {}
}

/** Items that are no objects read as empty ones, so that numbers stay those of the document. */
export function recordsAt(value: unknown, ...path: readonly (string | number)[]): readonly Json[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found.map((item) => (isRecord(item) ? item : {})) : []
}

export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : ''
}

export function numberAt(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const found = at(value, ...path)
  return typeof found === 'number' ? found : undefined
}

export function textsAt(value: unknown, ...path: readonly (string | number)[]): readonly string[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found.map((item) => (typeof item === 'string' ? item : '')) : []
}

/** Labels and the like. */
export function textMapAt(value: unknown, ...path: readonly (string | number)[]): Readonly<Record<string, string>> {
  const entries = Object.entries(recordAt(value, ...path))
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** Go's durations, `1h2m3.5s`, in ms; undefined for anything else. */
export function durationAt(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const text = textAt(value, ...path)
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined
  const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, digits, unit = 's']) => sum + Number(digits) * (unitMs[unit] ?? 0),
    0,
  )
}

export function isSubset(wanted: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}
