import type { Clock } from '#shared/clock'
import { ApiError, badRequest, invalid, notFound } from '../api-error.ts'
import { conflictMessage } from '../apply/index.ts'
import { type Proposal, readObject, type Scope } from '../objects/index.ts'
import type { ApiObject, PatchKind, ServerParts } from '../types.ts'
import { readBody } from './body.ts'
import { type DecodedBody, decodeJson, decodeYaml, mediaTypeOf, unsupported } from './decode-body.ts'
import { answerObject, type Exchange } from './exchange.ts'
import { authorize } from './plan-request.ts'
import type { ResourceServices } from './resource-services.ts'

const KIND_OF_TYPE: ReadonlyMap<string, PatchKind> = new Map([
  ['application/json-patch+json', 'json'],
  ['application/merge-patch+json', 'merge'],
  ['application/strategic-merge-patch+json', 'strategic'],
  ['application/apply-patch+yaml', 'apply'],
])

/** PATCH of an object or its status. */
export async function patchObject(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope, request, query } = exchange
  const type = mediaTypeOf(request.headers['content-type'] ?? '')
  const kind = KIND_OF_TYPE.get(type)
  // kubectl goes over to a merge patch when it hears that a custom resource takes no strategic one.
  if (kind === undefined || (kind === 'strategic' && scope.definition.origin === 'custom'))
    throw unsupported(
      [...KIND_OF_TYPE.keys()].filter((one) => !one.includes('strategic') || scope.definition.origin === 'builtin'),
    )
  if (kind === 'apply' && (query.get('fieldManager') ?? '') === '')
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions', plural: 'patchoptions' }, '', [
      { field: 'fieldManager', reason: 'FieldValueRequired', problem: 'Required value: is required for apply patch' },
    ])
  const bytes = await readBody(request)
  const body = kind === 'apply' ? decodeYaml(bytes) : decodeJson(bytes)
  const { name } = scope.context
  const written = await services.writer.write(scope, name, (current) => {
    if (current === undefined && kind === 'apply') requireCreate(scope, services)
    return proposePatch(kind, body, current, scope, services.parts, services.clock)
  })
  answerObject(exchange, written.kind === 'created' ? 201 : 200, written.object, services.clock)
}

/** Who may patch what is there may not by that alone make what is not. @throws ApiError Forbidden */
function requireCreate({ context }: Scope, { authorizer }: ResourceServices): void {
  const { user, group, version, resource, subresource, namespace, name } = context
  authorize(authorizer, {
    kind: 'resource',
    user,
    verb: 'create',
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
  })
}

/** What one patch makes of the object as it is now. @throws ApiError */
export function proposePatch(
  kind: PatchKind,
  body: DecodedBody,
  current: ApiObject | undefined,
  scope: Scope,
  parts: Pick<ServerParts, 'applyPatch' | 'fieldManagement'>,
  clock: Clock,
): Proposal {
  const { definition, version, context } = scope
  if (kind === 'apply') return proposeApply(body, current, scope, parts, clock)
  if (current === undefined) throw notFound(definition, context.name)
  const outcome = parts.applyPatch(kind, current, body.value, definition, version)
  if (outcome.kind === 'malformed') throw badRequest(outcome.problem)
  if (outcome.kind === 'inapplicable') {
    const problem = { field: '', reason: 'FieldValueInvalid', problem: outcome.problem } as const
    throw invalid(definition, context.name, [problem])
  }
  return { object: readObject(outcome.object, scope), duplicates: body.duplicates, hasManagedFields: false }
}

function proposeApply(
  body: DecodedBody,
  current: ApiObject | undefined,
  scope: Scope,
  parts: Pick<ServerParts, 'fieldManagement'>,
  clock: Clock,
): Proposal {
  const { definition, version, context } = scope
  const { fieldManager, force } = context.write
  if (current === undefined && context.subresource !== '') throw notFound(definition, context.name)
  const applied = readObject(body.value, scope)
  const named = { ...applied, metadata: { ...applied.metadata, name: applied.metadata.name || context.name } }
  const outcome = parts.fieldManagement.apply(
    current,
    named,
    { definition, version, fieldManager, subresource: context.subresource, nowMs: clock.nowMs() },
    force,
  )
  if (outcome.kind === 'malformed') throw badRequest(outcome.problem)
  if (outcome.kind === 'conflict') {
    throw new ApiError('Conflict', conflictMessage(outcome.causes), { causes: outcome.causes })
  }
  return { object: outcome.object, duplicates: body.duplicates, hasManagedFields: true }
}
