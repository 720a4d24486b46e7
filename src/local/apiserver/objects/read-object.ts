import { badRequest, invalid } from '../api-error.ts'
import { unknownFields, validateValue } from '../crd/structural/index.ts'
import { apiVersionOf } from '../registry.ts'
import { objectMetaSchema } from '../schema/index.ts'
import type { ApiObject } from '../types.ts'
import type { Scope } from './scope.ts'

/** Fields shown of one object in a strict decoding error, or as warnings. */
const MAX_SHOWN = 32

/**
 * A decoded body as an object of the kind that the request is about, with well-typed metadata. Missing `apiVersion`
 * and `kind` are filled in, as kube-apiserver does for its own kinds.
 *
 * @throws ApiError BadRequest
 */
export function readObject(value: unknown, scope: Scope): ApiObject {
  const { definition, version } = scope
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest('the body is no object')
  const record = value as Readonly<Record<string, unknown>>
  const apiVersion = apiVersionOf(definition.group, version.name)
  if (record.kind !== undefined && record.kind !== '' && record.kind !== definition.kind)
    throw badRequest(
      `${definition.kind} in version ${JSON.stringify(version.name)} cannot be handled as a ${definition.kind}: the body is a ${JSON.stringify(record.kind)}`,
    )
  if (record.apiVersion !== undefined && record.apiVersion !== '' && record.apiVersion !== apiVersion)
    throw badRequest(
      `the API version in the data (${String(record.apiVersion)}) does not match the expected API version (${apiVersion})`,
    )
  const metadata = withoutNulls(record.metadata ?? {})
  const problems = validateValue(metadata, objectMetaSchema, 'metadata')
  if (problems.length > 0) throw invalid(definition, nameOf(metadata), problems)
  // Its shape has just been checked; a missing name is refused by whoever needs one.
  return { ...record, apiVersion, kind: definition.kind, metadata } as unknown as ApiObject
}

/**
 * Says no to, or warns of, fields that nobody knows and fields that are there twice.
 *
 * @throws ApiError BadRequest with fieldValidation=Strict
 */
export function checkFields(
  object: ApiObject,
  duplicates: readonly string[],
  { definition, version, context }: Scope,
): void {
  if (context.write.fieldValidation === 'Ignore') return
  const unknown = [
    ...unknownFields(object, version.schema, true),
    ...unknownFields(object.metadata, objectMetaSchema, false).map((path) => `metadata.${path}`),
  ]
  const complaints = [
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ].slice(0, MAX_SHOWN)
  if (complaints.length === 0) return
  if (context.write.fieldValidation === 'Strict')
    throw badRequest(
      `${definition.kind} in version ${JSON.stringify(version.name)} cannot be handled as a ${definition.kind}: strict decoding error: ${complaints.join(', ')}`,
    )
  for (const complaint of complaints) context.warn(complaint)
}

/** Null and missing are the same in metadata (`creationTimestamp: null` is what many tools write). */
function withoutNulls(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return metadata
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null))
}

function nameOf(metadata: unknown): string {
  const name = (metadata as { readonly name?: unknown } | undefined)?.name
  return typeof name === 'string' ? name : ''
}
