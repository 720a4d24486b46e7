import { Optional } from '@marcbachmann/cel-js'
import type { FieldProblem } from '../../definition-types.ts'
import type { Schema, ValidationRule } from '../../schema/types.ts'
import { canonical, isObject, member } from '../structural/json.ts'
import { child, entry, item } from '../structural/path.ts'
import { compileExpression, type Expression } from './expression.ts'
import { Meter } from './meter.ts'
import { celValue } from './values.ts'

/** Work for all rules of one object: about a tenth of a second (Kubernetes' budget has the same number). */
const OBJECT_UNITS = 10_000_000
/** Work for one run of one rule. */
const RULE_UNITS = 1_000_000
/** Problems told of one object. */
const MAX_PROBLEMS = 100
/** Longest message that a rule may make, in characters. */
const MAX_MESSAGE = 2_048
const REASONS: readonly FieldProblem['reason'][] = [
  'FieldValueInvalid',
  'FieldValueForbidden',
  'FieldValueRequired',
  'FieldValueDuplicate',
]

/** A rule with its expressions. */
interface CompiledRule {
  readonly rule: ValidationRule
  readonly expression: Expression
  readonly message: Expression | undefined
}

/** By the rule object of the CRD: rules are compiled when they first run, and forgotten with their CRD. */
const compiled = new WeakMap<ValidationRule, CompiledRule>()

function compile(rule: ValidationRule): CompiledRule {
  const known = compiled.get(rule)
  if (known !== undefined) return known
  const { messageExpression } = rule
  const made: CompiledRule = {
    rule,
    expression: compileExpression(rule.rule),
    message: messageExpression === undefined ? undefined : compileExpression(messageExpression),
  }
  compiled.set(rule, made)
  return made
}

/** Why a rule cannot be used. */
export interface RuleProblem {
  /** Of the rule: `rule`, `messageExpression`, `reason`. */
  readonly field: string
  readonly text: string
  readonly why: string
}

/** What a CRD with this rule is refused for. */
export function compileProblem(rule: ValidationRule): RuleProblem | undefined {
  if (typeof rule.rule !== 'string' || rule.rule.trim() === '')
    return { field: 'rule', text: '', why: 'rule is required' }
  const { reason, messageExpression } = rule
  if (reason !== undefined && !REASONS.some((each) => each === reason))
    return { field: 'reason', text: reason, why: `must be one of ${REASONS.join(', ')}` }
  try {
    // Kept for when the rule first runs.
    const { expression, message } = compile(rule)
    return (
      typeProblem('rule', rule.rule, expression, 'bool') ??
      (message === undefined ? undefined : typeProblem('messageExpression', messageExpression ?? '', message, 'string'))
    )
  } catch (error) {
    return failureOf(rule, error)
  }
}

function typeProblem(field: string, text: string, { type }: Expression, wanted: string): RuleProblem | undefined {
  if (type === wanted || type === 'dyn') return undefined
  return { field, text, why: `must evaluate to a ${wanted}, evaluates to ${type}` }
}

/** Which of the two expressions does not compile. */
function failureOf(rule: ValidationRule, error: unknown): RuleProblem {
  const why = `compilation failed: ${error instanceof Error ? error.message : String(error)}`
  try {
    compileExpression(rule.rule)
    return { field: 'messageExpression', text: rule.messageExpression ?? '', why }
  } catch {
    return { field: 'rule', text: rule.rule, why }
  }
}

/** What the rules of a schema say against a valid object, or against its change from `old`. */
export function ruleProblems(object: unknown, old: unknown, schema: Schema): readonly FieldProblem[] {
  if (!hasRules(schema)) return []
  const run: Run = { problems: [], spentUnits: 0 }
  walk(object, old, schema, '', run)
  return run.problems
}

interface Run {
  readonly problems: FieldProblem[]
  spentUnits: number
}

const withRules = new WeakMap<Schema, boolean>()

/** Whether the schema or any below it has rules; most have none, and then values are not walked at all. */
function hasRules(schema: Schema): boolean {
  const known = withRules.get(schema)
  if (known !== undefined) return known
  const { properties, items, additionalProperties } = schema
  const found =
    (schema['x-kubernetes-validations']?.length ?? 0) > 0 ||
    Object.values(properties ?? {}).some(hasRules) ||
    (items !== undefined && hasRules(items)) ||
    (typeof additionalProperties === 'object' && hasRules(additionalProperties))
  withRules.set(schema, found)
  return found
}

function walk(value: unknown, old: unknown, schema: Schema, path: string, run: Run): void {
  if (value === null || value === undefined || !hasRules(schema)) return
  runRules(value, old, schema, path, run)
  if (Array.isArray(value)) walkList(value, old, schema, path, run)
  else if (isObject(value)) {
    const before = isObject(old) ? old : {}
    const { properties, additionalProperties } = schema
    for (const [name, each] of Object.entries(value)) {
      const known = member(properties, name)
      if (known !== undefined) walk(each, member(before, name), known, child(path, name), run)
      else if (typeof additionalProperties === 'object')
        walk(each, member(before, name), additionalProperties, entry(path, name), run)
    }
  }
}

/** Items have a former self only where keys tell which one it was. */
function walkList(list: readonly unknown[], old: unknown, schema: Schema, path: string, run: Run): void {
  const { items } = schema
  if (items === undefined || !hasRules(items)) return
  const keys = schema['x-kubernetes-list-type'] === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : []
  const identity = (each: unknown): string =>
    canonical(isObject(each) ? keys.map((key) => member(each, key) ?? null) : each)
  const former = new Map(keys.length > 0 && Array.isArray(old) ? old.map((each) => [identity(each), each]) : [])
  for (const [i, each] of list.entries()) {
    walk(each, keys.length > 0 ? former.get(identity(each)) : undefined, items, item(path, i), run)
  }
}

function runRules(value: unknown, old: unknown, schema: Schema, path: string, run: Run): void {
  const rules = schema['x-kubernetes-validations'] ?? []
  if (rules.length === 0) return
  const self = celValue(value, schema)
  const before = old === undefined || old === null ? undefined : celValue(old, schema)
  for (const rule of rules) {
    if (run.spentUnits > OBJECT_UNITS || run.problems.length >= MAX_PROBLEMS) return
    runRule(rule, { self, before, value, old }, schema, path, run)
  }
}

interface Selves {
  readonly value: unknown
  /** Undefined when there is none. */
  readonly old: unknown
  /** The two as CEL sees them. */
  readonly self: unknown
  readonly before: unknown
}

function runRule(rule: ValidationRule, selves: Selves, schema: Schema, path: string, run: Run): void {
  const { value, old, self, before } = selves
  const type = schema.type ?? 'object'
  const spent = new Meter(RULE_UNITS)
  try {
    const { expression, message } = compile(rule)
    const isOptional = rule.optionalOldSelf === true
    if (expression.usesOldSelf && before === undefined && !isOptional) return
    const oldSelf = isOptional ? (before === undefined ? Optional.none() : Optional.of(before)) : before
    const variables = oldSelf === undefined ? { self } : { self, oldSelf }
    const holds = expression.run(variables, spent)
    if (holds === true) return
    // What an earlier definition let in, and what has not changed, is not held against an update.
    if (!expression.usesOldSelf && old !== undefined && canonical(value) === canonical(old)) return
    const text = messageOf(rule, message, variables)
    run.problems.push(problemOf(rule, `${path}${rule.fieldPath ?? ''}`.replace(/^\./, ''), type, text))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    run.problems.push(problemOf({ rule: rule.rule }, path, type, `rule ${JSON.stringify(rule.rule)} failed: ${why}`))
  } finally {
    charge(run, spent.spent)
  }
}

function charge(run: Run, units: number): void {
  run.spentUnits += units
  if (run.spentUnits <= OBJECT_UNITS) return
  const problem = 'validation failed due to running out of cost budget, no further validation rules will be run'
  run.problems.push({ field: '', reason: 'FieldValueForbidden', problem: `Forbidden: ${problem}` })
}

function messageOf(rule: ValidationRule, message: Expression | undefined, variables: { self: unknown }): string {
  const fixed = rule.message ?? `failed rule: ${rule.rule}`
  if (message === undefined) return fixed
  try {
    const made = message.run(variables, new Meter(RULE_UNITS))
    const isGood = typeof made === 'string' && made.trim() !== '' && !made.includes('\n') && made.length <= MAX_MESSAGE
    return isGood ? made : fixed
  } catch {
    // The rule has failed already; that its message cannot be made must not hide it.
    return fixed
  }
}

function problemOf(rule: ValidationRule, field: string, type: string, text: string): FieldProblem {
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return { field, reason: rule.reason, problem: `Forbidden: ${text}` }
    case 'FieldValueRequired':
      return { field, reason: rule.reason, problem: `Required value: ${text}` }
    case 'FieldValueDuplicate':
      return { field, reason: rule.reason, problem: `Duplicate value: ${JSON.stringify(type)}: ${text}` }
    default:
      return { field, reason: 'FieldValueInvalid', problem: `Invalid value: ${JSON.stringify(type)}: ${text}` }
  }
}
