import { isJsonObject, type JsonObject } from '../patch/json-object.ts'
import { type FieldSet, fieldSet, ONE_FIELD } from './field-set.ts'
import { parseElement } from './path-element.ts'

const DEEPEST = 128
/** Of one object's managers together; a list of 5,000 ports makes about 20,000. */
const MOST_FIELDS = 200_000

/** FieldsV1, e.g. `{"f:spec":{"f:replicas":{}}}`: `.` or nothing below means that the field itself is in the set. */
export function formatFieldsV1(set: FieldSet): Readonly<Record<string, unknown>> {
  const result: Record<string, unknown> = {}
  if (set.isMember && set.children.size > 0) result['.'] = {}
  const sorted = [...set.children].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  for (const [element, child] of sorted) result[element] = formatFieldsV1(child)
  return result
}

/** @returns undefined when it is no such set, or too large */
export function parseFieldsV1(value: unknown): FieldSet | undefined {
  const budget = { fieldsLeft: MOST_FIELDS }
  if (!isJsonObject(value)) return undefined
  const set = parseNode(value, budget, 0)
  return set === undefined ? undefined : fieldSet(false, set.children)
}

function parseNode(node: JsonObject, budget: { fieldsLeft: number }, depth: number): FieldSet | undefined {
  const entries = Object.entries(node)
  budget.fieldsLeft -= entries.length + 1
  if (budget.fieldsLeft < 0 || depth > DEEPEST) return undefined
  if (entries.length === 0) return ONE_FIELD
  const children = new Map<string, FieldSet>()
  let isMember = false
  for (const [text, inner] of entries) {
    if (!isJsonObject(inner)) return undefined
    if (text === '.') {
      isMember = true
      continue
    }
    const element = parseElement(text)
    const child = element === undefined ? undefined : parseNode(inner, budget, depth + 1)
    if (element === undefined || child === undefined) return undefined
    children.set(element, child)
  }
  return fieldSet(isMember, children)
}
