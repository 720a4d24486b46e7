import type { Store, StoredObject } from '../../store/index.ts'
import { ApiError, badRequest } from '../api-error.ts'
import type { ListOptions } from '../http/query.ts'
import { resourceId } from '../registry.ts'
import { parseFieldSelector, parseLabelSelector } from '../selectors/index.ts'
import type { ApiObject } from '../types.ts'
import { inVersion, type Scope } from './scope.ts'

/** Objects of one revision, with what leads to the rest. */
export interface Listing {
  readonly items: readonly ApiObject[]
  /** ListMeta. */
  readonly metadata: {
    readonly resourceVersion: string
    readonly continue?: string
    readonly remainingItemCount?: number
  }
}

interface ContinueToken {
  readonly revision: number
  readonly namespace: string
  readonly name: string
}

/** Whether an object is of a selection. */
export type Selects = (object: ApiObject) => boolean

/** @throws ApiError BadRequest */
export function selectionOf(scope: Scope, options: Pick<ListOptions, 'labelSelector' | 'fieldSelector'>): Selects {
  const matchesLabels = parseLabelSelector(options.labelSelector)
  const { matches } = parseFieldSelector(options.fieldSelector, scope.definition)
  return (object) => matchesLabels(object.metadata.labels) && matches(object)
}

/** @throws ApiError BadRequest, Expired when the pages before are too long ago, Timeout for a revision to come */
export function listObjects(store: Store, scope: Scope, options: ListOptions): Listing {
  const selects = selectionOf(scope, options)
  const token = options.continueToken === '' ? undefined : readToken(options.continueToken)
  const at = token?.revision ?? exactRevision(store, options)
  const listed = store.list({
    resource: resourceId(scope.definition.group, scope.definition.plural),
    namespace: scope.context.namespace === '' ? undefined : scope.context.namespace,
    at,
    after: token,
  })
  if (listed.kind === 'expired') throw expired(at ?? 0, store.revision)
  return pageOf(listed.items, listed.revision, scope, options, selects)
}

function pageOf(
  all: readonly StoredObject[],
  revision: number,
  scope: Scope,
  options: ListOptions,
  selects: Selects,
): Listing {
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const items: ApiObject[] = []
  let next = 0
  while (next < all.length && items.length < limit) {
    const { object } = all[next++] as StoredObject
    if (selects(object)) items.push(inVersion(object, scope))
  }
  const resourceVersion = String(revision)
  const last = all[next - 1]
  if (next >= all.length || last === undefined) return { items, metadata: { resourceVersion } }
  const token: ContinueToken = { revision, namespace: last.key.namespace, name: last.key.name }
  const isSelective = options.labelSelector !== '' || options.fieldSelector !== ''
  return {
    items,
    metadata: {
      resourceVersion,
      continue: Buffer.from(JSON.stringify(token)).toString('base64url'),
      // How many of the rest a selector takes is not known without looking.
      ...(isSelective ? {} : { remainingItemCount: all.length - next }),
    },
  }
}

/** @returns undefined: as it is now, which is as new as anybody can ask */
function exactRevision(store: Store, { resourceVersion, resourceVersionMatch }: ListOptions): number | undefined {
  if (resourceVersion === '' || resourceVersion === '0') return undefined
  const revision = readRevision(resourceVersion)
  if (revision > store.revision) throw tooNew(revision, store.revision)
  return resourceVersionMatch === 'Exact' ? revision : undefined
}

/** @throws ApiError BadRequest */
export function readRevision(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`resourceVersion: Invalid value: ${JSON.stringify(text.slice(0, 64))}: invalid resource version`)
  return Number(text)
}

export function expired(revision: number, current: number): ApiError {
  return new ApiError('Expired', `too old resource version: ${revision} (${current})`)
}

export function tooNew(revision: number, current: number): ApiError {
  return new ApiError('Timeout', `Too large resource version: ${revision}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

function readToken(text: string): ContinueToken {
  try {
    const { revision, namespace, name } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as ContinueToken
    if (Number.isSafeInteger(revision) && typeof namespace === 'string' && typeof name === 'string')
      return { revision, namespace, name }
  } catch {
    // Not what this server wrote: refused below.
  }
  throw badRequest('continue key is not valid')
}
