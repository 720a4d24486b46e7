import type { Store } from '../../store/index.ts'
import { ApiError } from '../api-error.ts'
import type { Scope } from './scope.ts'

/** Why nothing can be created in the request's namespace: there is none, or it is going. */
export function namespaceBar(store: Store, { definition, context }: Scope, name: string): ApiError | undefined {
  if (!definition.isNamespaced) return undefined
  const { namespace } = context
  const stored = store.get({ resource: '/namespaces', namespace: '', name: namespace })
  if (stored === undefined)
    return new ApiError('NotFound', `namespaces ${JSON.stringify(namespace)} not found`, {
      name: namespace,
      kind: 'namespaces',
    })
  if (stored.object.metadata.deletionTimestamp === undefined) return undefined
  const resource = definition.group === '' ? definition.plural : `${definition.plural}.${definition.group}`
  return new ApiError(
    'Forbidden',
    `${resource} ${JSON.stringify(name)} is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      name,
      ...(definition.group === '' ? {} : { group: definition.group }),
      kind: definition.plural,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  )
}
