import { isJsonObject, type JsonObject } from '../patch/json-object.ts'
import type { ApiObject } from '../types.ts'
import { type FieldSet, NO_FIELDS } from './field-set.ts'
import type { ManagedScope } from './managed-scope.ts'
import { withoutNulls } from './typed-children.ts'
import { fieldsOf } from './typed-values.ts'

const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration'
/** The name that kubectl applies under when the user gives no other. */
const KUBECTL = 'kubectl'

/**
 * What kubectl applied from the client's side before: when kubectl itself goes over to the server's side, these fields
 * are its own, and no conflict. Nothing for other managers, and for objects that kubectl never applied.
 */
export function lastAppliedFields(live: ApiObject, fieldManager: string, scope: ManagedScope): FieldSet {
  const text = live.metadata.annotations?.[ANNOTATION]
  if (fieldManager !== KUBECTL || text === undefined) return NO_FIELDS
  try {
    const manifest: unknown = JSON.parse(text)
    return isJsonObject(manifest) ? scope.ownable(fieldsOf(withoutNulls(manifest), scope.schema)) : NO_FIELDS
  } catch {
    // Somebody else wrote the annotation; then it says nothing.
    return NO_FIELDS
  }
}

/** Keeps the annotation true, so that a later client-side apply of kubectl removes the right fields. */
export function withLastApplied(
  object: ApiObject,
  live: ApiObject,
  manifest: JsonObject,
  fieldManager: string,
): ApiObject {
  if (fieldManager !== KUBECTL || live.metadata.annotations?.[ANNOTATION] === undefined) return object
  const annotations = {
    ...object.metadata.annotations,
    [ANNOTATION]: `${JSON.stringify(withoutAnnotation(manifest))}\n`,
  }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

function withoutAnnotation(manifest: JsonObject): JsonObject {
  const { metadata } = manifest
  if (!isJsonObject(metadata) || !isJsonObject(metadata.annotations)) return manifest
  const { [ANNOTATION]: _old, ...annotations } = metadata.annotations
  return { ...manifest, metadata: { ...metadata, annotations } }
}
