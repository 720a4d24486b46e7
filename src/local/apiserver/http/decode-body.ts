import { parseDocument } from 'yaml'
import { ApiError, badRequest } from '../api-error.ts'
import { DEEPEST_JSON, isTooDeep } from '../patch/json-object.ts'
import type { DecodeProtobuf } from '../types.ts'
import { duplicateKeys } from './duplicate-keys.ts'

/** A body as JSON, and the fields that it has twice (of which the last counts). */
export interface DecodedBody {
  readonly value: unknown
  readonly duplicates: readonly string[]
}

/** Aliases of a YAML body that are followed: a small text must not become a large object. */
const MAX_YAML_ALIASES = 100

/** Body of a create, update or delete. Without a Content-Type it is JSON. @throws ApiError */
export function decodeBody(body: Buffer, contentType: string, decodeProtobuf: DecodeProtobuf): DecodedBody {
  const type = mediaTypeOf(contentType)
  if (type === 'application/json' || type === '' || type === 'text/plain') return decodeJson(body)
  if (type === 'application/yaml' || type === 'application/x-yaml') return decodeYaml(body)
  if (type !== 'application/vnd.kubernetes.protobuf')
    throw unsupported(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'])
  const decoded = decodeProtobuf(body)
  if (decoded.kind === 'decoded') return { value: decoded.object, duplicates: [] }
  if (decoded.kind === 'malformed') throw badRequest(`the protobuf body cannot be read: ${decoded.problem}`)
  throw unsupported(['application/json', 'application/yaml'])
}

export function decodeJson(body: Buffer): DecodedBody {
  const text = utf8(body)
  try {
    return shallow({ value: JSON.parse(text), duplicates: duplicateKeys(text) })
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw badRequest(`the body is no JSON: ${(cause as SyntaxError).message}`)
  }
}

/** All that handles objects later goes down into them: one that is nested without end would take the stack. */
function shallow(body: DecodedBody): DecodedBody {
  if (isTooDeep(body.value)) throw badRequest(`the body is nested deeper than ${DEEPEST_JSON} levels`)
  return body
}

/** One document; JSON is YAML too. @throws ApiError BadRequest */
export function decodeYaml(body: Buffer): DecodedBody {
  const text = utf8(body)
  if (/^\s*\{/.test(text)) return decodeJson(body)
  const duplicates: string[] = []
  try {
    const document = parseDocument(text, { merge: true, logLevel: 'silent' })
    for (const error of document.errors) {
      if (error.code !== 'DUPLICATE_KEY') throw error
      duplicates.push(`line ${error.linePos?.[0].line ?? '?'}`)
    }
    return shallow({ value: document.toJS({ maxAliasCount: MAX_YAML_ALIASES }), duplicates })
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw badRequest(`error converting YAML to JSON: ${(cause as Error).message}`)
  }
}

export function mediaTypeOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase()
}

export function unsupported(accepted: readonly string[]): ApiError {
  const list = accepted.join(', ')
  return new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${list}`,
  )
}

function utf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw badRequest('the body is no UTF-8 text')
  }
}
