import type { Kind, Reading } from './setting.ts'

/** ms of each unit that a duration may carry. */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Any text; empty counts as a value. */
export const text: Kind<string> = { name: 'text', read: (given) => value(given) }

/** Any text but the empty one, which counts as unset. */
export const optionalText: Kind<string | undefined> = {
  name: 'text',
  read: (given) => value(given === '' ? undefined : given),
}

/** Literally `true` or `false`, as Istio's ztunnel wants it. */
export const boolean: Kind<boolean> = {
  name: 'boolean',
  read(given) {
    if (given === 'true' || given === 'false') return value(given === 'true')
    return problem('must be true or false')
  },
}

/** `150ms`, `5s`, `10m`, `24h`, or a bare number of seconds; kept in ms. */
export const duration: Kind<number> = {
  name: 'duration',
  read(given) {
    const [, digits, unit = 's'] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/.exec(given.trim()) ?? []
    const ms = Number(digits) * (UNIT_MS[unit] ?? Number.NaN)
    if (!Number.isFinite(ms)) return problem('must be a duration such as 5s, 10m or 24h')
    return ms <= Number.MAX_SAFE_INTEGER ? value(ms) : problem('is too long')
  },
}

export const port: Kind<number> = integer(1, 65_535, 'port')

/** A whole number in decimal. */
export function integer(min: number, max: number, name = 'integer'): Kind<number> {
  return {
    name,
    read(given) {
      const number = /^-?\d{1,16}$/.test(given) ? Number(given) : Number.NaN
      return number >= min && number <= max ? value(number) : problem(`must be a whole number from ${min} to ${max}`)
    },
  }
}

export function oneOf<const T extends string>(...allowed: readonly T[]): Kind<T> {
  return {
    name: allowed.join(' \\| '),
    read(given) {
      const found = allowed.find((candidate) => candidate === given)
      return found === undefined ? problem(`must be one of ${allowed.join(', ')}`) : value(found)
    },
  }
}

/** The same kind, but the empty text means "unset". */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return { name: kind.name, read: (given) => (given === '' ? value(undefined) : kind.read(given)) }
}

/** A kind of the caller's; `read` returns the value, or throws an Error whose message says what is wrong. */
export function parsed<T>(name: string, read: (given: string) => T): Kind<T> {
  return {
    name,
    read(given) {
      try {
        return value(read(given))
      } catch (error) {
        return problem(error instanceof Error ? error.message : String(error))
      }
    },
  }
}

function value<T>(given: T): Reading<T> {
  return { kind: 'value', value: given }
}

function problem(reason: string): Reading<never> {
  return { kind: 'problem', reason }
}
