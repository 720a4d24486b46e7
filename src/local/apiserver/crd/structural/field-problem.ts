import type { FieldProblem } from '../../definition-types.ts'
import { kindOf } from './json.ts'

/** Longest value that is shown back in a message. */
const MAX_SHOWN = 200

/** What is wrong with one field, in Kubernetes' words: the reason's own sentence, the value, the detail. */
export function required(field: string, detail = ''): FieldProblem {
  const problem = detail === '' ? 'Required value' : `Required value: ${detail}`
  return { field, reason: 'FieldValueRequired', problem }
}

export function invalid(field: string, value: unknown, detail: string): FieldProblem {
  return { field, reason: 'FieldValueInvalid', problem: `Invalid value: ${shown(value)}: ${detail}` }
}

/** Of another type than the schema's; the message shows the type that came, not the value. */
export function wrongType(field: string, value: unknown, type: string): FieldProblem {
  const came = JSON.stringify(kindOf(value))
  const problem = `Invalid value: ${came}: ${bodyName(field)} must be of type ${type}: ${came}`
  return { field, reason: 'FieldValueTypeInvalid', problem }
}

export function notSupported(field: string, value: unknown, supported: readonly unknown[]): FieldProblem {
  const list = supported.map((each) => JSON.stringify(each)).join(', ')
  const problem = `Unsupported value: ${shown(value)}: supported values: ${list}`
  return { field, reason: 'FieldValueNotSupported', problem }
}

export function forbidden(field: string, detail: string): FieldProblem {
  return { field, reason: 'FieldValueForbidden', problem: `Forbidden: ${detail}` }
}

export function duplicate(field: string, value: unknown): FieldProblem {
  return { field, reason: 'FieldValueDuplicate', problem: `Duplicate value: ${shown(value)}` }
}

export function tooLong(field: string, maxBytes: number): FieldProblem {
  return { field, reason: 'FieldValueTooLong', problem: `Too long: may not be more than ${maxBytes} bytes` }
}

export function tooMany(field: string, count: number, max: number): FieldProblem {
  return { field, reason: 'FieldValueTooMany', problem: `Too many: ${count}: must have at most ${max} items` }
}

/** How messages about values name the field: `spec.hosts in body`. */
export function bodyName(field: string): string {
  return field === '' ? 'body' : `${field} in body`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null'
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
