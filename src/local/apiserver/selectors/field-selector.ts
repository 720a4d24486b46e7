import { badRequest } from '../api-error.ts'
import type { ApiObject, ResourceDefinition } from '../types.ts'

/** A test of fields, and the name that it asks for when it asks for just one. */
export interface FieldSelector {
  readonly matches: (object: ApiObject) => boolean
  /** `metadata.name=x`; RBAC rules by name go by it. */
  readonly name: string | undefined
}

interface Term {
  readonly field: string
  readonly value: string
  readonly isEqual: boolean
}

const MAX_LENGTH = 64 * 1024
const everything: FieldSelector = { matches: () => true, name: undefined }

/**
 * Reads `a=b`, `a==b` and `a!=b` joined by commas; a backslash before `,`, `=` or itself takes its meaning away.
 *
 * @throws ApiError BadRequest also for fields that the resource cannot be selected by
 */
export function parseFieldSelector(text: string, definition: ResourceDefinition): FieldSelector {
  if (text === '') return everything
  if (text.length > MAX_LENGTH) throw badRequest(`a field selector may have at most ${MAX_LENGTH} characters`)
  const terms = splitUnescaped(text, ',').map((part) => parseTerm(part, text))
  const tests = terms.map(({ field, value, isEqual }) => {
    const read = readerOf(field, definition)
    return (object: ApiObject): boolean => (read(object) === value) === isEqual
  })
  const name = terms.find(({ field, isEqual }) => field === 'metadata.name' && isEqual)?.value
  return { matches: (object) => tests.every((test) => test(object)), name }
}

function readerOf(field: string, definition: ResourceDefinition): (object: ApiObject) => string {
  if (field === 'metadata.name') return ({ metadata }) => metadata.name
  if (field === 'metadata.namespace') return ({ metadata }) => metadata.namespace ?? ''
  const own = definition.selectableFields.get(field)
  if (own !== undefined) return own
  throw badRequest(`field label not supported: ${field.slice(0, 256)}`)
}

function parseTerm(part: string, whole: string): Term {
  const operator = /(?<!\\)(?:!=|==|=)/.exec(part)
  if (operator === null || operator.index === 0)
    throw badRequest(
      `invalid selector: ${JSON.stringify(whole.slice(0, 256))}; can't understand ${JSON.stringify(part.slice(0, 256))}`,
    )
  return {
    field: part.slice(0, operator.index).trim(),
    value: part.slice(operator.index + operator[0].length).replaceAll(/\\([\\,=])/g, '$1'),
    isEqual: operator[0] !== '!=',
  }
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = []
  let current = ''
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') current += text[i++] ?? ''
    else if (text[i] === separator) {
      parts.push(current)
      current = ''
      continue
    }
    current += text[i] ?? ''
  }
  return [...parts, current].filter((part) => part !== '')
}
