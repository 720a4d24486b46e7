import { ApiError, badRequest } from '../api-error.ts'
import type { DecodeProtobuf } from '../types.ts'
import { knownMessages } from './kinds.ts'
import type { MessageField, MessageTable } from './message-table.ts'
import { specialForms } from './special-forms.ts'
import { type DecodeBudget, type WireField, wireFields, wireText } from './wire.ts'

type JsonObject = Record<string, unknown>

const MAGIC = [0x6b, 0x38, 0x73, 0x00] // "k8s\0"
const MEDIA_TYPE = 'application/vnd.kubernetes.protobuf'
/** Fields of all levels together; a body of three MiB of text needs far fewer. */
const MOST_FIELDS = 200_000
/** The deepest kind, a CronJob's probe headers, needs twelve. */
const DEEPEST_MESSAGE = 32

/**
 * A protobuf request body as the JSON object that the same client would have sent as JSON: what is empty is left out as
 * Go's `omitempty` does, bytes are base64, times RFC 3339. Fields with unknown numbers (a newer client's) are skipped,
 * as Kubernetes itself does.
 */
export const decodeProtobuf: DecodeProtobuf = (body) => {
  try {
    return decodeBody(body)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { kind: 'malformed', problem: error.message }
  }
}

function decodeBody(body: Uint8Array): ReturnType<DecodeProtobuf> {
  if (!MAGIC.every((byte, index) => body[index] === byte)) throw badRequest('the body does not begin with "k8s\\0"')
  const budget: DecodeBudget = { fieldsLeft: MOST_FIELDS }
  const { apiVersion, kind, raw } = readEnvelope(body.subarray(MAGIC.length), budget)

  const { table, messageOf } = knownMessages()
  const message = messageOf(apiVersion, kind)
  if (message === undefined) return { kind: 'unknown-kind', apiVersion, kindName: kind }

  const object: JsonObject = { apiVersion, kind }
  decodeInto(object, message, raw, { table, budget, depth: 0 })
  return { kind: 'decoded', object }
}

/** `runtime.Unknown`: 1 type {1 apiVersion, 2 kind}, 2 raw, 3 content encoding, 4 content type. */
function readEnvelope(
  bytes: Uint8Array,
  budget: DecodeBudget,
): { readonly apiVersion: string; readonly kind: string; readonly raw: Uint8Array } {
  let apiVersion = ''
  let kind = ''
  let raw: Uint8Array = new Uint8Array()
  for (const field of wireFields(bytes, budget)) {
    if (field.wire !== 'bytes') continue
    if (field.number === 1) {
      for (const inner of wireFields(field.value, budget)) {
        if (inner.wire !== 'bytes') continue
        if (inner.number === 1) apiVersion = wireText(inner.value)
        if (inner.number === 2) kind = wireText(inner.value)
      }
    } else if (field.number === 2) {
      raw = field.value
    } else if (field.number === 3 && field.value.length > 0) {
      throw badRequest('an encoded body inside protobuf is not supported')
    } else if (field.number === 4 && !['', MEDIA_TYPE].includes(wireText(field.value))) {
      throw badRequest('a body of another media type inside protobuf is not supported')
    }
  }
  return { apiVersion, kind, raw }
}

interface Decoding {
  readonly table: MessageTable
  readonly budget: DecodeBudget
  readonly depth: number
}

/** Adds a message's fields to `target`; one that comes twice is merged, or the last counts. */
function decodeInto(target: JsonObject, message: string, bytes: Uint8Array, decoding: Decoding): void {
  if (decoding.depth > DEEPEST_MESSAGE) throw badRequest('messages are nested too deeply')
  const fields = decoding.table.get(message)
  if (fields === undefined) throw new Error(`message ${message} is not in the tables`)
  for (const wire of wireFields(bytes, decoding.budget)) {
    const field = fields.get(wire.number)
    if (field !== undefined) decodeField(target, field, wire, { ...decoding, depth: decoding.depth + 1 })
  }
}

function decodeField(target: JsonObject, field: MessageField, wire: WireField, decoding: Decoding): void {
  if (field.name === '') {
    decodeInto(target, field.type, wireBytes(field, wire), decoding)
    return
  }
  switch (field.shape) {
    case 'many': {
      const items = (target[field.name] as unknown[] | undefined) ?? []
      items.push(decodeValue(field, wire, undefined, decoding))
      target[field.name] = items
      return
    }
    case 'map': {
      const entries = (target[field.name] as JsonObject | undefined) ?? {}
      const { key, value } = decodeMapEntry(field, wireBytes(field, wire), decoding)
      // Not an assignment: a key `__proto__` is a key like any other.
      Object.defineProperty(entries, key, { value, enumerable: true, writable: true, configurable: true })
      target[field.name] = entries
      return
    }
    case 'one': {
      const value = decodeValue(field, wire, target[field.name], decoding)
      const isLeftOut = value === undefined || (!field.keepsZero && isZero(field.type, value))
      if (isLeftOut) delete target[field.name]
      else target[field.name] = value
    }
  }
}

/** A map is a list of messages {1 key, 2 value}, each of which may be left out when empty. */
function decodeMapEntry(
  field: MessageField,
  bytes: Uint8Array,
  decoding: Decoding,
): { readonly key: string; readonly value: unknown } {
  let key = ''
  let value: WireField | undefined
  for (const part of wireFields(bytes, decoding.budget)) {
    if (part.number === 1) key = wireText(wireBytes(field, part))
    if (part.number === 2) value = part
  }
  const absent: WireField = { number: 2, wire: 'bytes', value: new Uint8Array() }
  return { key, value: decodeValue(field, value ?? absent, undefined, decoding) }
}

function decodeValue(field: MessageField, wire: WireField, before: unknown, decoding: Decoding): unknown {
  switch (field.type) {
    case 'string':
      return wireText(wireBytes(field, wire))
    case 'bytes':
      return Buffer.from(wireBytes(field, wire)).toString('base64')
    case 'bool':
      return wireNumber(field, wire) !== 0n
    case 'int32':
      return Number(BigInt.asIntN(32, wireNumber(field, wire)))
    case 'int64':
      return Number(wireNumber(field, wire))
  }
  const special = specialForms.get(field.type)
  if (special !== undefined) return special(wireBytes(field, wire), decoding.budget)
  const object = (before as JsonObject | undefined) ?? {}
  decodeInto(object, field.type, wireBytes(field, wire), decoding)
  return object
}

function wireBytes(field: MessageField, wire: WireField): Uint8Array {
  if (wire.wire !== 'bytes') throw badRequest(`field ${field.name || field.type} is not written as bytes`)
  return wire.value
}

function wireNumber(field: MessageField, wire: WireField): bigint {
  if (wire.wire !== 'varint') throw badRequest(`field ${field.name} is not written as a number`)
  return wire.value
}

function isZero(type: string, value: unknown): boolean {
  switch (type) {
    case 'string':
    case 'bytes':
      return value === ''
    case 'bool':
      return value === false
    case 'int32':
    case 'int64':
      return value === 0
    default:
      return false
  }
}
