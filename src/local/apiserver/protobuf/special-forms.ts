import { badRequest } from '../api-error.ts'
import { type DecodeBudget, wireFields, wireText } from './wire.ts'

/** A message whose JSON form is no object; undefined leaves the field out. */
type SpecialForm = (bytes: Uint8Array, budget: DecodeBudget) => unknown

/** Raw JSON inside protobuf is read up to this depth of brackets, so that it cannot exhaust the stack later. */
const DEEPEST_RAW_JSON = 128

/** Messages of apimachinery that Kubernetes writes to JSON in a form of their own. */
export const specialForms: ReadonlyMap<string, SpecialForm> = new Map<string, SpecialForm>([
  ['Time', (bytes, budget) => timeText(bytes, budget, 0)],
  ['MicroTime', (bytes, budget) => timeText(bytes, budget, 6)],
  ['Quantity', (bytes, budget) => single(bytes, budget).text ?? '0'],
  ['IntOrString', intOrString],
  ['FieldsV1', (bytes, budget) => rawJson(bytes, budget)],
  ['Strings', strings],
])

/** Seconds and nanoseconds since the epoch; nothing at all is the zero time, which JSON shows as null. */
function timeText(bytes: Uint8Array, budget: DecodeBudget, fractionDigits: 0 | 6): string | undefined {
  let seconds = 0
  let nanos = 0
  for (const field of wireFields(bytes, budget)) {
    if (field.wire !== 'varint') continue
    if (field.number === 1) seconds = Number(field.value)
    if (field.number === 2) nanos = Number(field.value)
  }
  if (seconds === 0 && nanos === 0) return undefined
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999) {
    throw badRequest('a time is out of range')
  }
  if (nanos < 0 || nanos >= 1e9) throw badRequest('a time is out of range')
  const whole = date.toISOString().slice(0, 19)
  const fraction = String(nanos).padStart(9, '0').slice(0, fractionDigits)
  return fractionDigits === 0 ? `${whole}Z` : `${whole}.${fraction}Z`
}

function intOrString(bytes: Uint8Array, budget: DecodeBudget): number | string {
  let isText = false
  let number = 0
  let text = ''
  for (const field of wireFields(bytes, budget)) {
    if (field.number === 1 && field.wire === 'varint') isText = field.value === 1n
    if (field.number === 2 && field.wire === 'varint') number = Number(BigInt.asIntN(32, field.value))
    if (field.number === 3 && field.wire === 'bytes') text = wireText(field.value)
  }
  return isText ? text : number
}

function strings(bytes: Uint8Array, budget: DecodeBudget): string[] {
  const items: string[] = []
  for (const field of wireFields(bytes, budget)) {
    if (field.number === 1 && field.wire === 'bytes') items.push(wireText(field.value))
  }
  return items
}

function rawJson(bytes: Uint8Array, budget: DecodeBudget): unknown {
  const { text } = single(bytes, budget)
  if (text === undefined || text === '') return undefined
  let depth = 0
  for (const sign of text) {
    if (sign === '{' || sign === '[') depth++
    if (sign === '}' || sign === ']') depth--
    if (depth > DEEPEST_RAW_JSON) throw badRequest('embedded JSON is nested too deeply')
  }
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest('embedded JSON does not read')
  }
}

/** A message that only wraps one text in field 1. */
function single(bytes: Uint8Array, budget: DecodeBudget): { readonly text: string | undefined } {
  let text: string | undefined
  for (const field of wireFields(bytes, budget)) {
    if (field.number === 1 && field.wire === 'bytes') text = wireText(field.value)
  }
  return { text }
}
