import type { Clock } from '#shared/clock'
import { invalid as invalidObject, notFound } from '../api-error.ts'
import { type BoundObject, ISSUER, type ServiceAccountTokens } from '../auth/index.ts'
import { timestamp } from '../objects/prepare.ts'
import type { ApiObject, ObjectAccess, ResourceDefinition, Subresource } from '../types.ts'
import { serviceAccountSchema } from './core.ts'
import { age, at, column, define, listAt, textAt } from './define.ts'
import { invalid } from './problems.ts'

const DEFAULT_SECONDS = 3600
const MIN_SECONDS = 600
const MAX_SECONDS = 24 * 3600 * 365

const REQUEST = { group: 'authentication.k8s.io', kind: 'TokenRequest', plural: 'tokenrequests' } as const
/** What a token may be bound to. */
const BOUND_RESOURCES = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' } as const

export function serviceAccountDefinition(tokens: ServiceAccountTokens, clock: Clock): ResourceDefinition {
  const token: Subresource = {
    kind: 'action',
    method: 'POST',
    accepts: { group: REQUEST.group, version: 'v1', kind: REQUEST.kind },
    run: (account, request, _context, access) => issueToken(account, request, access, tokens, clock),
  }
  return define({
    kind: 'ServiceAccount',
    shortNames: ['sa'],
    isNamespaced: true,
    schema: serviceAccountSchema,
    columns: [column('Secrets', (one) => String(listAt(one, 'secrets').length)), age],
    subresources: { token },
  })
}

/** `serviceaccounts/token`. @throws ApiError Invalid, NotFound when the bound object is not there */
async function issueToken(
  account: ApiObject,
  request: ApiObject,
  access: ObjectAccess,
  tokens: ServiceAccountTokens,
  clock: Clock,
): Promise<ApiObject> {
  const { name, namespace = '', uid = '' } = account.metadata
  const seconds = at(request, 'spec', 'expirationSeconds') ?? DEFAULT_SECONDS
  if (typeof seconds !== 'number' || seconds < MIN_SECONDS || seconds > MAX_SECONDS)
    throw invalidObject(REQUEST, name, [
      invalid(
        'spec.expirationSeconds',
        seconds,
        `may not specify a duration less than 10 minutes, or more than ${MAX_SECONDS} seconds`,
      ),
    ])
  const asked = listAt(request, 'spec', 'audiences').map(String)
  const audiences = asked.length === 0 ? [ISSUER] : asked
  const bound = boundObjects(request, namespace, access)
  const { token, expiresAtMs } = await tokens.issue(
    { namespace, serviceAccount: { name, uid }, ...bound },
    audiences,
    seconds,
  )
  const boundObjectRef = at(request, 'spec', 'boundObjectRef')
  return {
    kind: REQUEST.kind,
    apiVersion: `${REQUEST.group}/v1`,
    metadata: { name, namespace, creationTimestamp: timestamp(clock.nowMs()) },
    spec: { audiences, expirationSeconds: seconds, ...(boundObjectRef === undefined ? {} : { boundObjectRef }) },
    status: { token, expirationTimestamp: timestamp(expiresAtMs) },
  }
}

function boundObjects(
  request: ApiObject,
  namespace: string,
  access: ObjectAccess,
): { readonly pod?: BoundObject; readonly node?: BoundObject; readonly secret?: BoundObject } {
  const reference = at(request, 'spec', 'boundObjectRef')
  const kind = textAt(reference, 'kind')
  if (reference === undefined || kind === '') return {}
  if (kind !== 'Pod' && kind !== 'Secret' && kind !== 'Node')
    throw invalidObject(REQUEST, '', [invalid('spec.boundObjectRef.kind', kind, 'must be Pod, Secret or Node')])
  const bound = find(
    access,
    BOUND_RESOURCES[kind],
    kind === 'Node' ? '' : namespace,
    textAt(reference, 'name'),
    textAt(reference, 'uid'),
  )
  if (kind === 'Secret') return { secret: identityOf(bound) }
  if (kind === 'Node') return { node: identityOf(bound) }
  const nodeName = textAt(bound, 'spec', 'nodeName')
  const node = nodeName === '' ? undefined : access.get({ group: '', resource: 'nodes', namespace: '', name: nodeName })
  return { pod: identityOf(bound), ...(node === undefined ? {} : { node: identityOf(node) }) }
}

function find(access: ObjectAccess, resource: string, namespace: string, name: string, uid: string): ApiObject {
  const found = access.get({ group: '', resource, namespace, name })
  if (found === undefined || (uid !== '' && uid !== found.metadata.uid))
    throw notFound({ group: '', plural: resource, kind: resource }, name)
  return found
}

function identityOf({ metadata }: ApiObject): BoundObject {
  return { name: metadata.name, uid: metadata.uid ?? '' }
}
