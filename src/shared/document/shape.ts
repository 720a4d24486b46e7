/** Where in a document a value stands. */
export type Path = readonly (string | number)[]

/** Collects what is wrong; a document with any problem is not taken. */
export type Report = (path: Path, problem: string) => void

/**
 * Reads one value of a document into its typed form. Absent and `null` arrive as undefined. A wrong value is reported
 * and some value of the type returned, so that one pass finds every problem.
 */
export type Shape<T> = (value: unknown, path: Path, report: Report) => T

/** Longest text shown back from a document. */
const MAX_SHOWN = 64

/** `spec.rules[0].from`. */
export function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}

/** A value of a document, quoted and cut, for a problem's text. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

export function text(missing?: string): Shape<string> {
  return (value, path, report) => {
    if (typeof value === 'string') return value
    if (value !== undefined) report(path, `must be a string, is ${shown(value)}`)
    else if (missing === undefined) report(path, 'is missing')
    return missing ?? ''
  }
}

/** A text that `problemOf` has nothing against. */
export function checkedText(problemOf: (text: string) => string | undefined, missing?: string): Shape<string> {
  const read = text(missing)
  return (value, path, report) => {
    const found = read(value, path, report)
    const problem = typeof value === 'string' ? problemOf(found) : undefined
    if (problem !== undefined) report(path, `${problem}: ${shown(found)}`)
    return found
  }
}

export function oneOf<const T extends string>(words: readonly T[], missing: T | undefined): Shape<T> {
  return (value, path, report) => {
    const found = words.find((word) => word === value)
    if (found !== undefined) return found
    if (value !== undefined) report(path, `must be one of ${words.join(', ')}, is ${shown(value)}`)
    else if (missing === undefined) report(path, `is missing; one of ${words.join(', ')}`)
    return missing ?? (words[0] as T)
  }
}

export const flag: Shape<boolean> = (value, path, report) => {
  if (typeof value === 'boolean') return value
  if (value !== undefined) report(path, `must be true or false, is ${shown(value)}`)
  return false
}

/** A whole number from `min` to `max`; required. */
export function integer(min: number, max: number): Shape<number> {
  return (value, path, report) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    report(
      path,
      value === undefined ? 'is missing' : `must be a whole number from ${min} to ${max}, is ${shown(value)}`,
    )
    return min
  }
}

/** As `shape`, but undefined where nothing is written. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path, report) => (value === undefined ? undefined : shape(value, path, report))
}

/** Empty where nothing is written. */
export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value, path, report) => {
    if (value === undefined) return []
    if (Array.isArray(value)) return value.map((item, i) => shape(item ?? undefined, [...path, i], report))
    report(path, `must be a list, is ${shown(value)}`)
    return []
  }
}

/** A map of texts, such as labels; empty where nothing is written. */
export const textMap: Shape<Readonly<Record<string, string>>> = (value, path, report) => {
  if (value === undefined) return {}
  if (!isRecord(value)) {
    report(path, `must be a map, is ${shown(value)}`)
    return {}
  }
  const entries = Object.entries(value).map(([key, item]): [string, string] => {
    if (typeof item === 'string') return [key, item]
    report([...path, key], `must be a string (quote it), is ${shown(item)}`)
    return [key, '']
  })
  return Object.fromEntries(entries)
}

/** A map that is kept as written. */
export const anyMap: Shape<Readonly<Record<string, unknown>>> = (value, path, report) => {
  if (isRecord(value)) return value
  report(path, `must be a map, is ${shown(value)}`)
  return {}
}

type Fields = Readonly<Record<string, Shape<unknown>>>
type Read<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> }

/**
 * A map with known fields. `closed` names every other field as a problem: for the mesh's own kinds, where a misspelt
 * field would silently weaken a policy. `open` passes over what the mesh does not read of Kubernetes' own kinds.
 */
export function record<const F extends Fields>(fields: F, others: 'open' | 'closed' = 'open'): Shape<Read<F>> {
  return (value, path, report) => {
    const given = isRecord(value) ? value : {}
    if (value !== undefined && !isRecord(value)) report(path, `must be a map, is ${shown(value)}`)
    if (others === 'closed') {
      for (const key of Object.keys(given)) if (!Object.hasOwn(fields, key)) report([...path, key], 'unknown field')
    }
    const read = Object.entries(fields).map(([key, shape]) => [
      key,
      shape(Object.hasOwn(given, key) ? (given[key] ?? undefined) : undefined, [...path, key], report),
    ])
    // Built from `fields` key by key, so it has exactly their types.
    return Object.fromEntries(read) as Read<F>
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As `shape`, but a problem where nothing is written. */
export function required<T>(shape: Shape<T>): Shape<T> {
  return (value, path, report) => {
    if (value === undefined) report(path, 'is missing')
    return shape(value, path, report)
  }
}

/** A map whose keys are data: pairs in the order of the document; empty where nothing is written. */
export function pairs<T>(shape: Shape<T>): Shape<readonly (readonly [key: string, value: T])[]> {
  return (value, path, report) => {
    if (value === undefined) return []
    if (isRecord(value)) {
      return Object.entries(value).map(([key, item]) => [key, shape(item ?? undefined, [...path, key], report)])
    }
    report(path, `must be a map, is ${shown(value)}`)
    return []
  }
}
