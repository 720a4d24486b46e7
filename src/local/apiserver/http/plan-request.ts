import { ApiError, badRequest } from '../api-error.ts'
import { parseFieldSelector } from '../selectors/index.ts'
import type {
  Authorizer,
  RequestAttributes,
  ResourceDefinition,
  ResourceRegistry,
  ReviewDefinition,
  UserInfo,
  Verb,
  VersionDefinition,
} from '../types.ts'
import { notServed } from './discovery-handler.ts'
import { isTrue } from './query.ts'
import { methodNotAllowed } from './resource-services.ts'
import type { ResourcePath } from './route.ts'

/** What a path of the API means here and now. */
export type Target =
  | { readonly kind: 'resource'; readonly definition: ResourceDefinition; readonly version: VersionDefinition }
  | { readonly kind: 'review'; readonly definition: ReviewDefinition }

/** @throws ApiError NotFound */
export function targetOf(path: ResourcePath, registry: ResourceRegistry): Target {
  const review = registry.findReview(path.group, path.resource)
  if (review?.versions.includes(path.version)) return { kind: 'review', definition: review }
  const definition = registry.find(path.group, path.resource)
  const version = definition?.versions.find(({ name, isServed }) => isServed && name === path.version)
  if (definition === undefined || version === undefined) throw notServed()
  if (path.namespace !== '' && !definition.isNamespaced) throw notServed()
  // One object in all namespaces is none.
  if (definition.isNamespaced && path.namespace === '' && path.name !== '') throw notServed()
  return { kind: 'resource', definition, version }
}

/** @throws ApiError MethodNotAllowed */
export function verbOf(method: string, path: ResourcePath, query: URLSearchParams): Verb {
  const isOne = path.name !== ''
  if (method === 'GET' || method === 'HEAD') {
    if (isOne) return 'get'
    return isTrue(query, 'watch') ? 'watch' : 'list'
  }
  if (method === 'POST' && (!isOne || path.subresource !== '')) return 'create'
  if (method === 'PUT' && isOne) return 'update'
  if (method === 'PATCH' && isOne) return 'patch'
  if (method === 'DELETE') return isOne ? 'delete' : 'deletecollection'
  throw methodNotAllowed()
}

/** The question for the authorizer. */
export function attributesOf(
  user: UserInfo,
  verb: Verb,
  path: ResourcePath,
  target: Target,
  query: URLSearchParams,
): RequestAttributes {
  const { group, version, resource, subresource } = path
  // A namespace is in itself, so that rules of a namespace may speak of it.
  const namespace = group === '' && resource === 'namespaces' ? path.name : path.namespace
  return {
    kind: 'resource',
    user,
    verb,
    group,
    version,
    resource,
    subresource,
    namespace,
    name: nameOf(path, target, query),
  }
}

/** A list of one name counts as that one, for rules that name objects. */
function nameOf(path: ResourcePath, target: Target, query: URLSearchParams): string {
  const fieldSelector = query.get('fieldSelector') ?? ''
  if (path.name !== '' || target.kind === 'review' || fieldSelector === '') return path.name
  return parseFieldSelector(fieldSelector, target.definition).name ?? ''
}

/** @throws ApiError Forbidden with the sentence that kubectl users know */
export function authorize(authorizer: Authorizer, attributes: RequestAttributes): void {
  const outcome = authorizer.authorize(attributes)
  if (outcome.kind === 'allowed') return
  const { username } = attributes.user
  if (attributes.kind === 'path')
    throw new ApiError(
      'Forbidden',
      `forbidden: User ${JSON.stringify(username)} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}`,
    )
  const { group, resource, subresource, verb, namespace, name } = attributes
  const qualified = group === '' ? resource : `${resource}.${group}`
  const whole = subresource === '' ? resource : `${resource}/${subresource}`
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  const which = name === '' ? '' : ` ${JSON.stringify(name)}`
  throw new ApiError(
    'Forbidden',
    `${qualified}${which} is forbidden: User ${JSON.stringify(username)} cannot ${verb} resource ${JSON.stringify(whole)} in API group ${JSON.stringify(group)} ${where}`,
    { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource },
  )
}

/** @throws ApiError BadRequest */
export function urlOf(target: string): URL {
  if (!URL.canParse(target, 'https://api')) throw badRequest('the path cannot be read')
  return new URL(target, 'https://api')
}
