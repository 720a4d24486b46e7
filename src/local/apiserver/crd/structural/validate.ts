import type { FieldProblem } from '../../definition-types.ts'
import type { Schema } from '../../schema/types.ts'
import { bodyName, duplicate, invalid, notSupported, required, tooLong, tooMany, wrongType } from './field-problem.ts'
import { fitsFormat, isOfFormat } from './formats.ts'
import { canonical, isObject, type JsonObject, kindOf, member } from './json.ts'
import { child, item } from './path.ts'
import { findsRegex } from './regex.ts'

/** Problems told of one object; a list with thousands of wrong items is understood after the first hundred. */
const MAX_PROBLEMS = 100

/**
 * What is wrong with a changed value. What was there before and is the same now is not held against it: an object that a
 * stricter schema finds can still be changed elsewhere (Kubernetes calls it ratcheting).
 */
export function validateChange(value: unknown, old: unknown, schema: Schema, path = ''): readonly FieldProblem[] {
  const problems = validateValue(value, schema, path)
  if (problems.length === 0 || old === undefined) return problems
  if (isSame(value, old)) return []
  const kept: FieldProblem[] = []
  checkChange(value, old, schema, path, kept)
  return kept
}

/** The value is known to differ from the old one, but fields of it may not. */
function checkChange(value: unknown, old: unknown, schema: Schema, path: string, problems: FieldProblem[]): void {
  if (!isObject(value) || !isObject(old)) {
    checkValue(value, schema, path, problems)
    return
  }
  const { properties, additionalProperties, ...own } = schema
  checkValue(value, own, path, problems)
  for (const [name, each] of Object.entries(value)) {
    const known = member(properties, name) ?? (additionalProperties === true ? undefined : additionalProperties)
    const before = member(old, name)
    if (typeof known !== 'object' || (before !== undefined && isSame(each, before))) continue
    checkChange(each, before, known, child(path, name), problems)
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b)
}

/**
 * Everything that is wrong with a value by its structural schema: types, formats, limits, required fields, unions and
 * the uniqueness of sets and maps. Rules in CEL are not run here. The value is pruned and has its defaults.
 *
 * @param path where the value stands; empty for a whole object
 */
export function validateValue(value: unknown, schema: Schema, path = ''): readonly FieldProblem[] {
  const problems: FieldProblem[] = []
  checkValue(value, schema, path, problems)
  return problems
}

function checkValue(value: unknown, schema: Schema, path: string, problems: FieldProblem[]): void {
  if (problems.length >= MAX_PROBLEMS) return
  if (value === null && schema.nullable === true) return
  const type = typeProblem(value, schema, path)
  if (type !== undefined) {
    problems.push(type)
    return
  }
  if (typeof value === 'string') checkText(value, schema, path, problems)
  else if (typeof value === 'number') checkNumber(value, schema, path, problems)
  else if (Array.isArray(value)) checkList(value, schema, path, problems)
  else if (isObject(value)) checkObject(value, schema, path, problems)

  const isListed = schema.enum?.some((each) => each === value || canonical(each) === canonical(value)) ?? true
  if (!isListed) problems.push(notSupported(path, value, schema.enum ?? []))
  checkUnions(value, schema, path, problems)
}

function typeProblem(value: unknown, schema: Schema, path: string): FieldProblem | undefined {
  const kind = kindOf(value)
  if (schema['x-kubernetes-int-or-string'] === true) {
    return kind === 'integer' || kind === 'string' ? undefined : wrongType(path, value, 'integer,string')
  }
  const { type } = schema
  if (type === undefined || type === kind || (type === 'number' && kind === 'integer')) return undefined
  return wrongType(path, value, type)
}

function checkText(text: string, schema: Schema, path: string, problems: FieldProblem[]): void {
  const { minLength, maxLength, pattern, format } = schema
  if (minLength !== undefined || maxLength !== undefined) {
    // Kubernetes counts code points.
    const length = text.length <= (minLength ?? 0) || text.length > (maxLength ?? text.length) ? [...text].length : -1
    if (length >= 0 && maxLength !== undefined && length > maxLength) problems.push(tooLong(path, maxLength))
    if (length >= 0 && minLength !== undefined && length < minLength)
      problems.push(invalid(path, text, `${bodyName(path)} should be at least ${minLength} chars long`))
  }
  if (pattern !== undefined && !findsRegex(pattern, text))
    problems.push(invalid(path, text, `${bodyName(path)} should match '${pattern}'`))
  if (format !== undefined && !isOfFormat(text, format))
    problems.push(invalid(path, text, `${bodyName(path)} must be of type ${format}: ${JSON.stringify(text)}`))
}

function checkNumber(value: number, schema: Schema, path: string, problems: FieldProblem[]): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, format } = schema
  const complain = (detail: string): unknown => problems.push(invalid(path, value, `${bodyName(path)} ${detail}`))
  if (minimum !== undefined && (exclusiveMinimum === true ? value <= minimum : value < minimum))
    complain(`should be greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`)
  if (maximum !== undefined && (exclusiveMaximum === true ? value >= maximum : value > maximum))
    complain(`should be less than ${exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`)
  if (multipleOf !== undefined && !isMultiple(value, multipleOf)) complain(`should be a multiple of ${multipleOf}`)
  if (format !== undefined && !fitsFormat(value, format)) complain(`must be of type integer with format ${format}`)
}

/** 0.3 is a multiple of 0.1, although division in binary says 2.9999999999999996. */
function isMultiple(value: number, of: number): boolean {
  const ratio = value / of
  return Math.abs(ratio - Math.round(ratio)) < 1e-9
}

function checkList(list: readonly unknown[], schema: Schema, path: string, problems: FieldProblem[]): void {
  const { minItems, maxItems, items } = schema
  if (minItems !== undefined && list.length < minItems)
    problems.push(invalid(path, list.length, `${bodyName(path)} should have at least ${minItems} items`))
  if (maxItems !== undefined && list.length > maxItems) {
    problems.push(tooMany(path, list.length, maxItems))
    return
  }
  if (items !== undefined) {
    for (const [i, each] of list.entries()) checkValue(each, items, item(path, i), problems)
  }
  checkUnique(list, schema, path, problems)
}

/** No two equal items in a set, no two of the same keys in a map. */
function checkUnique(list: readonly unknown[], schema: Schema, path: string, problems: FieldProblem[]): void {
  const kind = schema['x-kubernetes-list-type']
  const isSet = kind === 'set' || schema.uniqueItems === true
  if (!isSet && kind !== 'map') return
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const seen = new Set<string>()
  for (const [i, each] of list.entries()) {
    const identity = isSet || !isObject(each) ? each : keysOf(each, keys)
    const text = canonical(identity)
    if (seen.has(text)) problems.push(duplicate(item(path, i), identity))
    seen.add(text)
  }
}

function keysOf(each: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(keys.map((key) => [key, member(each, key) ?? null]))
}

function checkObject(object: JsonObject, schema: Schema, path: string, problems: FieldProblem[]): void {
  const { properties, additionalProperties, minProperties, maxProperties } = schema
  const size = Object.keys(object).length
  if (minProperties !== undefined && size < minProperties)
    problems.push(invalid(path, size, `${bodyName(path)} should have at least ${minProperties} properties`))
  if (maxProperties !== undefined && size > maxProperties) problems.push(tooMany(path, size, maxProperties))
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(object, name)) problems.push(required(child(path, name)))
  }
  for (const [name, value] of Object.entries(object)) {
    const known = member(properties, name) ?? (additionalProperties === true ? undefined : additionalProperties)
    if (typeof known === 'object') checkValue(value, known, child(path, name), problems)
  }
  if (schema['x-kubernetes-embedded-resource'] === true) checkEmbedded(object, path, problems)
}

function checkEmbedded(object: JsonObject, path: string, problems: FieldProblem[]): void {
  for (const name of ['apiVersion', 'kind']) {
    const value = member(object, name)
    if (typeof value !== 'string' || value === '') problems.push(required(child(path, name), 'must not be empty'))
  }
}

function checkUnions(value: unknown, schema: Schema, path: string, problems: FieldProblem[]): void {
  for (const each of schema.allOf ?? []) checkValue(value, each, path, problems)
  const { anyOf, oneOf, not } = schema
  if (anyOf !== undefined && !anyOf.some((each) => matches(value, each))) {
    problems.push(invalid(path, value, `${bodyName(path)} must validate at least one schema (anyOf)`))
    // Of one alternative only its own complaint helps.
    if (anyOf.length === 1) checkValue(value, anyOf[0] ?? {}, path, problems)
  }
  if (oneOf !== undefined) {
    const count = oneOf.filter((each) => matches(value, each)).length
    const found = count === 0 ? 'Found none valid' : `Found ${count} valid alternatives`
    if (count !== 1)
      problems.push(invalid(path, value, `${bodyName(path)} must validate one and only one schema (oneOf). ${found}`))
  }
  if (not !== undefined && matches(value, not))
    problems.push(invalid(path, value, `${bodyName(path)} must not validate the schema (not)`))
}

function matches(value: unknown, schema: Schema): boolean {
  const problems: FieldProblem[] = []
  checkValue(value, schema, '', problems)
  return problems.length === 0
}
