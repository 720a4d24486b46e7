import type { ObjectKey } from '../../store/index.ts'
import { apiVersionOf, resourceId } from '../registry.ts'
import type { ApiObject, RequestContext, ResourceDefinition, VersionDefinition } from '../types.ts'

/** What a request is about: the resource in one of its versions, and who asks for what. */
export interface Scope {
  readonly definition: ResourceDefinition
  readonly version: VersionDefinition
  readonly context: RequestContext
}

export function keyOf({ definition, context }: Scope, name: string = context.name): ObjectKey {
  const namespace = definition.isNamespaced ? context.namespace : ''
  return { resource: resourceId(definition.group, definition.plural), namespace, name }
}

/** The object as the request's version has it; versions differ in nothing else. */
export function inVersion(
  object: ApiObject,
  { definition, version }: Pick<Scope, 'definition' | 'version'>,
): ApiObject {
  const apiVersion = apiVersionOf(definition.group, version.name)
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion }
}

/** The object as it is stored. */
export function inStorageVersion(object: ApiObject, { definition }: Pick<Scope, 'definition'>): ApiObject {
  const apiVersion = apiVersionOf(definition.group, definition.storageVersion)
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion }
}

export function hasStatus(definition: ResourceDefinition): boolean {
  return definition.subresources.get('status')?.kind === 'status'
}
