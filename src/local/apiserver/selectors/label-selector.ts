import { badRequest } from '../api-error.ts'

/** A test of an object's labels. */
export type LabelSelector = (labels: Readonly<Record<string, string>> | undefined) => boolean

interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'notin' | 'exists' | 'absent' | 'above' | 'below'
  readonly values: readonly string[]
}

/** Longer than any that a person writes; bounds the work of parsing. */
const MAX_LENGTH = 64 * 1024
const everything: LabelSelector = () => true
const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

/**
 * Reads a selector as `kubectl -l` takes it: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`, `a<1`,
 * joined by commas. `!=` and `notin` also hold for objects without the label.
 *
 * @throws ApiError BadRequest
 */
export function parseLabelSelector(text: string): LabelSelector {
  if (text.trim() === '') return everything
  if (text.length > MAX_LENGTH) throw badRequest(`a label selector may have at most ${MAX_LENGTH} characters`)
  const requirements = splitRequirements(text).map((part) => parseRequirement(part, text))
  return (labels) => requirements.every((requirement) => holds(requirement, labels ?? {}))
}

/** Splits at commas that are not inside brackets. */
function splitRequirements(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts.map((part) => part.trim())
}

function parseRequirement(part: string, whole: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part)
  if (set !== null) return checked(set[1], set[2] as 'in' | 'notin', (set[3] ?? '').split(','), whole)
  const equality = /^([^=!<>\s]+)\s*(==|=|!=|<|>)\s*(\S*)$/.exec(part)
  if (equality !== null) {
    const operator = ({ '=': 'in', '==': 'in', '!=': 'notin', '>': 'above', '<': 'below' } as const)[equality[2] as '=']
    return checked(equality[1], operator, [equality[3] ?? ''], whole)
  }
  if (part.startsWith('!')) return checked(part.slice(1).trim(), 'absent', [], whole)
  return checked(part, 'exists', [], whole)
}

function checked(
  key: string | undefined,
  operator: Requirement['operator'],
  texts: readonly string[],
  whole: string,
): Requirement {
  const values = texts.map((text) => text.trim())
  const isNumeric = operator === 'above' || operator === 'below'
  const areGood = values.every((value) => (isNumeric ? /^-?\d{1,18}$/.test(value) : VALUE.test(value)))
  if (key === undefined || !KEY.test(key) || !areGood)
    throw badRequest(`unable to parse requirement: ${JSON.stringify(whole.slice(0, 256))} is no label selector`)
  return { key, operator, values }
}

function holds({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  if (operator === 'exists') return value !== undefined
  if (operator === 'absent') return value === undefined
  if (operator === 'in') return value !== undefined && values.includes(value)
  if (operator === 'notin') return value === undefined || !values.includes(value)
  if (value === undefined || !/^-?\d{1,18}$/.test(value)) return false
  return operator === 'above' ? Number(value) > Number(values[0]) : Number(value) < Number(values[0])
}
