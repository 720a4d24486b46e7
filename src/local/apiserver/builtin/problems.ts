import { duplicate, forbidden, invalid, notSupported, required } from '../crd/structural/index.ts'
import { isEqualJson } from '../objects/json-equal.ts'
import { labelValueProblem, nameProblem, qualifiedNameProblem } from '../objects/names.ts'
import type { ApiObject, FieldProblem } from '../types.ts'
import { at, listAt, recordAt, textAt } from './define.ts'

export { duplicate, forbidden, invalid, notSupported, required }

const MAX_PORT = 65_535

export function portProblems(value: unknown, field: string): FieldProblem[] {
  const isPort = Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_PORT
  return isPort ? [] : [invalid(field, value, `must be between 1 and ${MAX_PORT}, inclusive`)]
}

/** A number, or the name of a port (RFC 6335: at most 15 characters, a letter among them). */
export function portOrNameProblems(value: unknown, field: string): FieldProblem[] {
  return typeof value === 'string' ? portNameProblems(value, field) : portProblems(value, field)
}

export function portNameProblems(name: string, field: string): FieldProblem[] {
  if (name.length > 15) return [invalid(field, name, 'must be no more than 15 characters')]
  const isName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name) && /[a-z]/.test(name) && !name.includes('--')
  const rule = 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and at least one letter (a-z)'
  return isName ? [] : [invalid(field, name, rule)]
}

export function labelProblems(name: string, field: string): FieldProblem[] {
  const problem = nameProblem(name, 'label')
  return problem === undefined ? [] : [invalid(field, name, problem)]
}

export function immutable(object: ApiObject, old: ApiObject | undefined, ...path: readonly string[]): FieldProblem[] {
  if (old === undefined || isEqualJson(at(object, ...path), at(old, ...path))) return []
  return [invalid(path.join('.'), at(object, ...path), 'field is immutable')]
}

export function repeated(names: readonly string[], fieldOf: (i: number) => string): FieldProblem[] {
  return names.flatMap((name, i) => (names.indexOf(name) < i ? [duplicate(fieldOf(i), name)] : []))
}

/** A label selector of an object's spec, which must select something and that what the template makes. */
export function workloadSelectorProblems(object: ApiObject): FieldProblem[] {
  const selector = at(object, 'spec', 'selector')
  if (selector === undefined) return [required('spec.selector')]
  const matchLabels = recordAt(selector, 'matchLabels')
  const expressions = listAt(selector, 'matchExpressions')
  if (Object.keys(matchLabels).length + expressions.length === 0)
    return [invalid('spec.selector', selector, 'empty selector is invalid for deployment')]
  const problems = [...selectorProblems(selector, 'spec.selector')]
  const labels = recordAt(object, 'spec', 'template', 'metadata', 'labels')
  const matches = Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
  if (problems.length === 0 && !matches)
    problems.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'))
  return problems
}

export function selectorProblems(selector: unknown, field: string): FieldProblem[] {
  const labels = Object.entries(recordAt(selector, 'matchLabels')).flatMap(([key, value]) =>
    labelPairProblems(key, String(value), `${field}.matchLabels`),
  )
  const expressions = listAt(selector, 'matchExpressions').flatMap((expression, i) => {
    const operator = textAt(expression, 'operator')
    const path = `${field}.matchExpressions[${i}]`
    const values = listAt(expression, 'values').length
    if (operator === 'In' || operator === 'NotIn')
      return values > 0 ? [] : [required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")]
    if (operator === 'Exists' || operator === 'DoesNotExist')
      return values === 0
        ? []
        : [forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
    return [invalid(`${path}.operator`, operator, 'not a valid selector operator')]
  })
  return [...labels, ...expressions]
}

export function labelPairProblems(key: string, value: string, field: string): FieldProblem[] {
  const ofKey = qualifiedNameProblem(key)
  if (ofKey !== undefined) return [invalid(field, key, ofKey)]
  const ofValue = labelValueProblem(value)
  return ofValue === undefined ? [] : [invalid(field, value, ofValue)]
}

export function notNegative(object: ApiObject, ...path: readonly string[]): FieldProblem[] {
  const value = at(object, ...path)
  if (typeof value !== 'number' || value >= 0) return []
  return [invalid(path.join('.'), value, 'must be greater than or equal to 0')]
}
