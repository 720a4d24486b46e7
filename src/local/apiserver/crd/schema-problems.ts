import type { FieldProblem } from '../definition-types.ts'
import type { Schema } from '../schema/types.ts'
import { compileProblem } from './rules/index.ts'
import { forbidden, invalid, notSupported, required } from './structural/field-problem.ts'
import { validateValue } from './structural/index.ts'
import { child, entry, item } from './structural/path.ts'
import { unknownFields } from './structural/prune.ts'
import { regexProblem } from './structural/regex.ts'

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string']
/** What may stand only in the structure, not inside allOf, anyOf, oneOf and not (Kubernetes' "structural schema"). */
const STRUCTURE_ONLY = [
  'description',
  'type',
  'default',
  'additionalProperties',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-list-type',
] as const
/** Keywords of JSONSchemaProps; whoever misspells one believes that it works. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'id $schema description type format title default maximum exclusiveMaximum minimum exclusiveMinimum maxLength ' +
    'minLength pattern maxItems minItems uniqueItems multipleOf enum maxProperties minProperties required items allOf ' +
    'oneOf anyOf not properties additionalProperties externalDocs example nullable ' +
    'x-kubernetes-preserve-unknown-fields x-kubernetes-embedded-resource x-kubernetes-int-or-string ' +
    'x-kubernetes-list-map-keys x-kubernetes-list-type x-kubernetes-map-type x-kubernetes-validations'
  ).split(' '),
)
/** Keywords that no structural schema may have. */
const NOT_SUPPORTED: ReadonlySet<string> = new Set([
  '$ref',
  'definitions',
  'dependencies',
  'patternProperties',
  'additionalItems',
])
const KNOWN_LIST_TYPES = ['atomic', 'set', 'map']
/** Deepest nesting of a schema; nothing real comes near, and every walk over schemas and values recurses. */
const MAX_DEPTH = 64

/** Why a schema is not structural, or would not work; each problem by its path from `root`. */
export function schemaProblems(schema: Schema, root: string): readonly FieldProblem[] {
  const problems: FieldProblem[] = []
  if (schema.type !== 'object')
    problems.push(invalid(child(root, 'type'), schema.type ?? '', 'must be object at the root'))
  checkStructure(schema, root, { isRoot: true, depth: 0 }, problems)
  return problems
}

interface Place {
  readonly isRoot: boolean
  readonly depth: number
}

function checkStructure(schema: Schema, path: string, place: Place, problems: FieldProblem[]): void {
  if (place.depth > MAX_DEPTH) {
    problems.push(forbidden(path, `schemas may not be nested deeper than ${MAX_DEPTH}`))
    return
  }
  checkType(schema, path, problems)
  checkKeywords(schema, path, problems)
  checkList(schema, path, problems)
  checkMap(schema, path, problems)
  const deeper = { isRoot: false, depth: place.depth + 1 }
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    const at = entry(child(path, 'properties'), name)
    // Of metadata only names may be restricted: the server keeps the rest as it is.
    if (place.isRoot && name === 'metadata') checkMetadata(each, at, problems)
    else checkStructure(each, at, deeper, problems)
  }
  if (typeof schema.additionalProperties === 'object')
    checkStructure(schema.additionalProperties, child(path, 'additionalProperties'), deeper, problems)
  if (schema.items !== undefined) checkStructure(schema.items, child(path, 'items'), deeper, problems)
  checkUnions(schema, path, place.depth + 1, problems)
  checkDefault(schema, path, problems)
  const rules = schema['x-kubernetes-validations'] ?? []
  for (const [i, rule] of rules.entries()) {
    const problem = compileProblem(rule)
    const at = item(child(path, 'x-kubernetes-validations'), i)
    if (problem !== undefined) problems.push(invalid(child(at, problem.field), problem.text, problem.why))
  }
}

function checkType(schema: Schema, path: string, problems: FieldProblem[]): void {
  const isFree =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true
  const { type } = schema
  if (type === undefined && !isFree)
    problems.push(required(child(path, 'type'), 'must not be empty for specified object fields'))
  if (type !== undefined && !TYPES.includes(type)) problems.push(notSupported(child(path, 'type'), type, TYPES))
  if (type !== undefined && schema['x-kubernetes-int-or-string'] === true)
    problems.push(forbidden(child(path, 'type'), 'must be empty if x-kubernetes-int-or-string is true'))
}

function checkKeywords(schema: Schema, path: string, problems: FieldProblem[]): void {
  const { pattern } = schema
  const why = pattern === undefined ? undefined : regexProblem(pattern)
  if (why !== undefined)
    problems.push(invalid(child(path, 'pattern'), pattern, `must be a valid regular expression: ${why}`))
  if (schema.uniqueItems === true)
    problems.push(
      forbidden(
        child(path, 'uniqueItems'),
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    )
  for (const keyword of Object.keys(schema)) {
    const field = child(path, keyword)
    if (NOT_SUPPORTED.has(keyword)) problems.push(forbidden(field, 'is not supported'))
    else if (!KEYWORDS.has(keyword)) problems.push(forbidden(field, `unknown field "${keyword}"`))
  }
}

function checkList(schema: Schema, path: string, problems: FieldProblem[]): void {
  const kind = schema['x-kubernetes-list-type']
  const at = child(path, 'x-kubernetes-list-type')
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  if (schema.type === 'array' && schema.items === undefined)
    problems.push(required(child(path, 'items'), 'must be specified'))
  if (kind === undefined) return
  if (!KNOWN_LIST_TYPES.includes(kind)) problems.push(notSupported(at, kind, KNOWN_LIST_TYPES))
  if (schema.type !== 'array')
    problems.push(
      invalid(child(path, 'type'), schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'),
    )
  if (kind !== 'map') return
  if (keys.length === 0)
    problems.push(
      required(child(path, 'x-kubernetes-list-map-keys'), 'must not be empty if x-kubernetes-list-type is map'),
    )
  for (const [i, key] of keys.entries()) {
    if (schema.items?.properties?.[key] === undefined)
      problems.push(invalid(item(child(path, 'x-kubernetes-list-map-keys'), i), key, 'must name a field of the items'))
  }
}

function checkMap(schema: Schema, path: string, problems: FieldProblem[]): void {
  if (schema.properties !== undefined && schema.additionalProperties !== undefined)
    problems.push(
      forbidden(child(path, 'additionalProperties'), 'additionalProperties and properties are mutual exclusive'),
    )
  if (schema.additionalProperties === false)
    problems.push(forbidden(child(path, 'additionalProperties'), 'additionalProperties cannot be set to false'))
  if (schema['x-kubernetes-embedded-resource'] === true && schema.type !== 'object')
    problems.push(
      invalid(child(path, 'type'), schema.type ?? '', 'must be object if x-kubernetes-embedded-resource is true'),
    )
}

function checkMetadata(schema: Schema, path: string, problems: FieldProblem[]): void {
  if (schema.type !== undefined && schema.type !== 'object')
    problems.push(invalid(child(path, 'type'), schema.type, 'must be object'))
  for (const name of Object.keys(schema.properties ?? {})) {
    if (name !== 'name' && name !== 'generateName')
      problems.push(
        forbidden(entry(child(path, 'properties'), name), 'must not specify anything other than name and generateName'),
      )
  }
}

function checkUnions(schema: Schema, path: string, depth: number, problems: FieldProblem[]): void {
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [i, each] of (schema[keyword] ?? []).entries())
      checkInside(each, item(child(path, keyword), i), schema, depth, problems)
  }
  if (schema.not !== undefined) checkInside(schema.not, child(path, 'not'), schema, depth, problems)
}

function checkInside(schema: Schema, path: string, outer: Schema, depth: number, problems: FieldProblem[]): void {
  if (depth > MAX_DEPTH) {
    problems.push(forbidden(path, `schemas may not be nested deeper than ${MAX_DEPTH}`))
    return
  }
  for (const keyword of STRUCTURE_ONLY) {
    // An int-or-string is commonly written with its two types as alternatives.
    if (keyword === 'type' && outer['x-kubernetes-int-or-string'] === true) continue
    if (schema[keyword] !== undefined) problems.push(forbidden(child(path, keyword), 'must be empty to be structural'))
  }
  checkKeywords(schema, path, problems)
  for (const [name, each] of Object.entries(schema.properties ?? {}))
    checkInside(each, entry(child(path, 'properties'), name), outer.properties?.[name] ?? {}, depth + 1, problems)
  if (schema.items !== undefined)
    checkInside(schema.items, child(path, 'items'), outer.items ?? {}, depth + 1, problems)
  checkUnions(schema, path, depth + 1, problems)
}

/** A default must itself be valid: otherwise every object that relies on it is refused. */
function checkDefault(schema: Schema, path: string, problems: FieldProblem[]): void {
  if (schema.default === undefined) return
  const at = child(path, 'default')
  const [unknown] = unknownFields(schema.default, schema, false)
  if (unknown !== undefined) problems.push(invalid(at, schema.default, `unknown field "${unknown}"`))
  for (const { field, problem } of validateValue(schema.default, schema)) {
    problems.push(invalid(field === '' ? at : `${at}.${field}`, schema.default, problem))
  }
}
