import type { Described } from './group-versions.ts'
import { pathOf } from './group-versions.ts'
import { type GroupVersionKind, gvkOf } from './published-schema.ts'
import { schemaName } from './schema-names.ts'

export type HttpMethod = 'get' | 'put' | 'post' | 'delete' | 'patch'

/** One method of one path. */
export interface Operation {
  readonly method: HttpMethod
  readonly operationId: string
  readonly action: string
  readonly description: string
  readonly gvk: GroupVersionKind
  /** Name of the schema of the answer, and of the body where one is sent. */
  readonly schema: string
  readonly hasBody: boolean
  readonly query: readonly QueryParameter[]
}

export interface QueryParameter {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean'
  readonly description: string
}

/**
 * kubectl looks for `fieldValidation` here: where it is, validation is left to the server, and a misspelt field is
 * refused by name.
 */
const WRITE_QUERY: readonly QueryParameter[] = [
  { name: 'dryRun', type: 'string', description: 'All: everything is done but the write.' },
  { name: 'fieldManager', type: 'string', description: 'Who makes the change.' },
  { name: 'fieldValidation', type: 'string', description: 'Unknown and duplicate fields: Strict, Warn or Ignore.' },
]
const PATCH_QUERY: readonly QueryParameter[] = [
  ...WRITE_QUERY,
  { name: 'force', type: 'boolean', description: 'Server-side apply takes over fields of other managers.' },
]
const LIST_QUERY: readonly QueryParameter[] = [
  { name: 'labelSelector', type: 'string', description: 'Only objects with such labels.' },
  { name: 'fieldSelector', type: 'string', description: 'Only objects with such fields.' },
  { name: 'limit', type: 'integer', description: 'At most so many objects; the rest comes with continue.' },
  { name: 'continue', type: 'string', description: 'Where the part before ended.' },
  { name: 'resourceVersion', type: 'string', description: 'State to show, or to watch from.' },
  { name: 'watch', type: 'boolean', description: 'Changes, as they happen.' },
]

/** All paths of some kinds with their methods. */
export function operationsByPath(kinds: readonly Described[]): ReadonlyMap<string, readonly Operation[]> {
  const paths = new Map<string, readonly Operation[]>()
  for (const each of kinds) {
    const root = `/${pathOf(each.group, each.version)}`
    const collection = `${root}${each.isNamespaced ? '/namespaces/{namespace}' : ''}/${each.plural}`
    if (each.operations.kind === 'review') {
      paths.set(collection, [operation(each, 'post', 'post', WRITE_QUERY)])
      continue
    }
    const { listKind, subresources } = each.operations
    const list = { ...operation(each, 'get', 'list', LIST_QUERY), schema: schemaName(each, listKind) }
    const onAll = operation(each, 'delete', 'deletecollection', LIST_QUERY)
    paths.set(collection, [list, operation(each, 'post', 'post', WRITE_QUERY), onAll])
    paths.set(`${collection}/{name}`, ofOne(each, ''))
    for (const name of subresources) paths.set(`${collection}/{name}/${name}`, ofOne(each, name).slice(0, 3))
  }
  return paths
}

function ofOne(described: Described, subresource: string): readonly Operation[] {
  return [
    operation(described, 'get', 'get', [], subresource),
    operation(described, 'put', 'put', WRITE_QUERY, subresource),
    operation(described, 'patch', 'patch', PATCH_QUERY, subresource),
    operation(described, 'delete', 'delete', [], subresource),
  ]
}

function operation(
  described: Described,
  method: HttpMethod,
  action: string,
  query: readonly QueryParameter[],
  subresource = '',
): Operation {
  const { group, version, kind, isNamespaced } = described
  const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
  const groupName = group === '' ? 'Core' : group.split('.').map(title).join('')
  const id = `${action}${groupName}${title(version)}${isNamespaced ? 'Namespaced' : ''}${kind}${title(subresource)}`
  return {
    method,
    operationId: id,
    action,
    description: `${title(action)} ${subresource === '' ? '' : `${subresource} of `}${kind}`,
    gvk: gvkOf(described, kind),
    schema: schemaName(described, kind),
    hasBody: method === 'post' || method === 'put' || method === 'patch',
    query,
  }
}
