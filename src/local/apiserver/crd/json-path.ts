import { isObject, member } from './structural/json.ts'

/** One step of a path. */
type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'every' }
  /** Negative: from the end. */
  | { readonly kind: 'index'; readonly index: number }
  /** `[?(@.type=="Ready")]`; without operator: the field is there. */
  | { readonly kind: 'filter'; readonly path: readonly Step[]; readonly operator: Operator; readonly value: unknown }

type Operator = 'exists' | '==' | '!=' | '<' | '<=' | '>' | '>='

export type JsonPath = readonly Step[]

/** Longest path read, in characters, and most values that one may find. */
const MAX_PATH = 1_000
const MAX_FOUND = 1_000

const FIELD = /\.((?:[^.[\]\\{}\s'"]|\\.)+)/y
const QUOTED = /\[\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*\]/y
const INDEX = /\[\s*(-?\d{1,9})\s*\]/y
const EVERY = /\[\s*\*\s*\]|\.\*/y
const FILTER =
  /\[\?\(\s*@((?:\.(?:[^.[\]\\{}\s'"=!<>()]|\\.)+|\['[^']*'\])*)\s*(?:(==|!=|<=|>=|<|>)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[-\w.]+))?\s*\)\]/y

/**
 * Reads the JSONPath of a printer column: fields (also quoted or with escaped dots), indexes, `[*]`, filters that
 * compare with a literal. Slices, unions and `..` are not read.
 *
 * @returns undefined when the text is none of that
 */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (text.length > MAX_PATH) return undefined
  const body = text.replace(/^\{(.*)\}$/, '$1').replace(/^\$/, '')
  const steps: Step[] = []
  let at = 0
  while (at < body.length) {
    const [step, end] = stepAt(body, at)
    if (step === undefined) return undefined
    steps.push(step)
    at = end
  }
  return steps.length > 0 || body === '' ? steps : undefined
}

function stepAt(text: string, at: number): readonly [Step | undefined, number] {
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    return pattern.exec(text)
  }
  const every = match(EVERY)
  if (every !== null) return [{ kind: 'every' }, EVERY.lastIndex]
  const field = match(FIELD)
  if (field !== null) return [{ kind: 'field', name: unescaped(field[1] ?? '') }, FIELD.lastIndex]
  const quoted = match(QUOTED)
  if (quoted !== null) return [{ kind: 'field', name: unescaped(quoted[1] ?? quoted[2] ?? '') }, QUOTED.lastIndex]
  const index = match(INDEX)
  if (index !== null) return [{ kind: 'index', index: Number(index[1]) }, INDEX.lastIndex]
  const filter = match(FILTER)
  if (filter === null) return [undefined, at]
  const [, path = '', operator = 'exists', literal = ''] = filter
  const steps = parseJsonPath(path)
  if (steps === undefined) return [undefined, at]
  // The pattern reads no other operators.
  return [{ kind: 'filter', path: steps, operator: operator as Operator, value: literalOf(literal) }, FILTER.lastIndex]
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

function literalOf(text: string): unknown {
  if (/^["']/.test(text)) return unescaped(text.slice(1, -1))
  if (text === 'true' || text === 'false') return text === 'true'
  const number = Number(text)
  return text !== '' && !Number.isNaN(number) ? number : text
}

/** All values that the path leads to, in order; missing fields lead nowhere. */
export function findAll(value: unknown, path: JsonPath): readonly unknown[] {
  let found: readonly unknown[] = [value]
  for (const step of path) found = found.flatMap((each) => take(each, step)).slice(0, MAX_FOUND)
  return found
}

function take(value: unknown, step: Step): readonly unknown[] {
  switch (step.kind) {
    case 'field':
      return isObject(value) && Object.hasOwn(value, step.name) ? [member(value, step.name)] : []
    case 'every':
      return itemsOf(value)
    case 'index':
      return Array.isArray(value) && value.at(step.index) !== undefined ? [value.at(step.index)] : []
    case 'filter':
      return itemsOf(value).filter((each) => findAll(each, step.path).some((one) => holds(one, step)))
  }
}

function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return isObject(value) ? Object.values(value) : []
}

function holds(found: unknown, { operator, value }: Extract<Step, { kind: 'filter' }>): boolean {
  if (operator === 'exists') return true
  if (operator === '==') return found === value
  if (operator === '!=') return found !== value
  if (typeof found !== typeof value || (typeof found !== 'number' && typeof found !== 'string')) return false
  // Both are of one type now; JavaScript orders texts by code unit and numbers by value.
  const order = found === value ? 0 : found < (value as typeof found) ? -1 : 1
  switch (operator) {
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}
