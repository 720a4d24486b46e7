import { invalid } from './wire-fields.ts'

/**
 * One part of a record and the same part of its message as the codec gives it. Reading is strict: what is missing, unknown,
 * contradictory or out of bounds is refused with the place where it stands.
 */
export interface WireShape<T> {
  write(value: T): unknown
  /** @throws MeshError `RESOURCE_INVALID` */
  read(value: unknown, at: string): T
  /** What proto3 does not write where a field is not optional: '', 0, false, nothing. */
  isZero?(value: T): boolean
}

/** Items of one list, entries of one map. */
const MAX_ITEMS = 10_000

export const text: WireShape<string> = {
  write: (value) => value,
  read: (value, at) => (typeof value === 'string' ? value : refuse(at, 'is no text')),
  isZero: (value) => value === '',
}

/** A text that must be there. */
export const word: WireShape<string> = {
  ...text,
  read: (value, at) => (typeof value === 'string' && value !== '' ? value : refuse(at, 'is missing')),
}

export const flag: WireShape<boolean> = {
  write: (value) => value,
  read: (value, at) => (typeof value === 'boolean' ? value : refuse(at, 'is neither true nor false')),
  isZero: (value) => !value,
}

export const bytes: WireShape<Uint8Array> = {
  write: (value) => value,
  read: (value, at) => (value instanceof Uint8Array ? Uint8Array.from(value) : refuse(at, 'is no bytes')),
  isZero: (value) => value.length === 0,
}

/** A whole number. */
export function count(min: number, max: number): WireShape<number> {
  return {
    write: (value) => value,
    read: (value, at) =>
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
        ? value
        : refuse(at, `is no number from ${min} to ${max}`),
    isZero: (value) => value === 0,
  }
}

/** Any number of a range. */
export function quantity(min: number, max: number): WireShape<number> {
  return {
    write: (value) => value,
    read: (value, at) =>
      typeof value === 'number' && value >= min && value <= max ? value : refuse(at, `is not from ${min} to ${max}`),
    isZero: (value) => value === 0,
  }
}

/** An enumeration whose names have the numbers 1, 2, 3 …; 0 stands for nothing and is refused. */
export function oneOf<const T extends string>(names: readonly T[]): WireShape<T> {
  return {
    write: (value) => names.indexOf(value) + 1,
    read: (value, at) => names[Number(value) - 1] ?? refuse(at, `is unknown: ${String(value).slice(0, 20)}`),
  }
}

/** Not written where undefined. */
export function optional<T>(shape: WireShape<T>): WireShape<T | undefined> {
  return {
    write: (value) => (value === undefined ? undefined : shape.write(value)),
    read: (value, at) => (value === undefined || value === null ? undefined : shape.read(value, at)),
    isZero: (value) => value === undefined,
  }
}

export function list<T>(shape: WireShape<T>, min: number = 0): WireShape<readonly T[]> {
  return {
    write: (values) => values.map((value) => shape.write(value)),
    read(values, at) {
      if (!Array.isArray(values)) return refuse(at, 'is no list')
      if (values.length < min) return refuse(at, 'is empty')
      if (values.length > MAX_ITEMS) return refuse(at, `has more than ${MAX_ITEMS} items`)
      return values.map((value, i) => shape.read(value, `${at}[${i}]`))
    },
    isZero: (values) => values.length === 0,
  }
}

export const textMap: WireShape<Readonly<Record<string, string>>> = {
  write: (value) => value,
  read(value, at) {
    const entries = Object.entries(isObject(value) ? value : refuse(at, 'is no map'))
    if (entries.length > MAX_ITEMS) return refuse(at, `has more than ${MAX_ITEMS} entries`)
    return Object.fromEntries(entries.map(([key, item]) => [key, text.read(item, `${at}.${key.slice(0, 64)}`)]))
  },
  isZero: (value) => Object.keys(value).length === 0,
}

/** A message with these fields, under the same names. */
export function struct<T extends object>(fields: { readonly [K in keyof T]-?: WireShape<T[K]> }): WireShape<T> {
  const names = Object.keys(fields) as (keyof T & string)[]
  return {
    write(value) {
      const message: Record<string, unknown> = {}
      for (const name of names) {
        const shape = fields[name]
        if (shape.isZero?.(value[name]) !== true) message[name] = shape.write(value[name])
      }
      return message
    },
    read(value, at) {
      const message = isObject(value) ? value : refuse(at, 'is missing')
      const entries = names.map((name) => [name, fields[name].read(message[name], at === '' ? name : `${at}.${name}`)])
      // Built from `fields` name by name, so it has exactly their types.
      return Object.fromEntries(entries) as T
    },
  }
}

/** A record that is written as its one field alone, `value`. */
export function single<T>(shape: WireShape<T>): WireShape<{ readonly value: T }> {
  return {
    write: ({ value }) => shape.write(value),
    read: (value, at) => ({ value: shape.read(value, at) }),
  }
}

/** A record without fields; its being there says all. */
export const nothing: WireShape<object> = { write: () => ({}), read: () => ({}) }

type Variants<T extends { readonly kind: string }> = {
  readonly [K in T['kind']]: WireShape<Omit<T & { readonly kind: K }, 'kind'>>
}

/** A message that is a oneof: exactly one of its fields, named as the record's `kind` in camel case, is there. */
export function union<T extends { readonly kind: string }>(variants: Variants<T>): WireShape<T> {
  const shapes = Object.entries(variants) as [T['kind'], WireShape<object>][]
  const byField = shapes.map(([kind, shape]) => ({ kind, shape, field: camelCase(kind) }))
  return {
    write(value) {
      const variant = byField.find(({ kind }) => kind === value.kind)
      return variant === undefined ? {} : { [variant.field]: variant.shape.write(value) }
    },
    read(value, at) {
      const message = isObject(value) ? value : refuse(at, 'is missing')
      const there = byField.filter(({ field }) => message[field] !== undefined && message[field] !== null)
      const [variant] = there
      if (variant === undefined || there.length > 1) {
        return refuse(
          at,
          `has ${there.length === 0 ? 'none' : 'several'} of ${byField.map(({ field }) => field).join(', ')}`,
        )
      }
      const read = variant.shape.read(message[variant.field], `${at}.${variant.field}`)
      // The shape of this very kind has read the rest of it.
      return { kind: variant.kind, ...read } as unknown as T
    },
  }
}

function camelCase(kind: string): string {
  return kind.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function refuse(at: string, problem: string): never {
  throw invalid(`${at === '' ? 'the resource' : at} ${problem}`)
}
