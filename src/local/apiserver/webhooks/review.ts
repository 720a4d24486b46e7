import { isRecord } from '#shared/document'
import type { AdmissionRequest, ApiObject } from '../types.ts'

/** What a webhook said. */
export type Verdict =
  | { readonly kind: 'allowed'; readonly patch: unknown; readonly warnings: readonly string[] }
  | { readonly kind: 'denied'; readonly message: string; readonly reason: string; readonly warnings: readonly string[] }
  /** It is no answer to what was asked. */
  | { readonly kind: 'malformed'; readonly problem: string }

const REVIEW_VERSION = 'admission.k8s.io/v1'
const OPTIONS = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const

/** @param version that the webhook knows; all versions of an object differ in their name alone */
export function reviewOf(request: AdmissionRequest, version: string, uid: string): unknown {
  const { definition, context, operation, object, old } = request
  const { group, kind, plural } = definition
  const { user } = context
  const as = (name: string) => (each: ApiObject) => ({ ...each, apiVersion: group === '' ? name : `${group}/${name}` })
  const gone = operation === 'DELETE'
  return {
    kind: 'AdmissionReview',
    apiVersion: REVIEW_VERSION,
    request: {
      uid,
      kind: { group, version, kind },
      resource: { group, version, resource: plural },
      requestKind: { group, version: context.version, kind },
      requestResource: { group, version: context.version, resource: plural },
      ...(context.subresource === ''
        ? {}
        : { subResource: context.subresource, requestSubResource: context.subresource }),
      name: object.metadata.name,
      ...(definition.isNamespaced ? { namespace: context.namespace } : {}),
      operation,
      userInfo: { username: user.username, uid: user.uid, groups: user.groups, extra: user.extra },
      object: gone ? null : as(version)(object),
      oldObject: old === undefined ? null : as(version)(old),
      dryRun: context.write.isDryRun,
      options: { kind: OPTIONS[operation], apiVersion: 'meta.k8s.io/v1', fieldManager: context.write.fieldManager },
    },
  }
}

/** @param uid of the request that was sent */
export function readVerdict(answer: unknown, uid: string): Verdict {
  const malformed = (problem: string): Verdict => ({ kind: 'malformed', problem })
  if (!isRecord(answer) || answer.kind !== 'AdmissionReview' || answer.apiVersion !== REVIEW_VERSION)
    return malformed(`expected an AdmissionReview of ${REVIEW_VERSION}`)
  const { response } = answer
  if (!isRecord(response)) return malformed('the AdmissionReview has no response')
  if (response.uid !== uid) return malformed(`expected response.uid=${JSON.stringify(uid)}`)
  if (typeof response.allowed !== 'boolean') return malformed('response.allowed is neither true nor false')
  const given: readonly unknown[] = Array.isArray(response.warnings) ? response.warnings : []
  const warnings = given.filter((each) => typeof each === 'string')
  if (!response.allowed) {
    const { message, reason } = isRecord(response.status) ? response.status : {}
    return {
      kind: 'denied',
      message: typeof message === 'string' && message !== '' ? message : 'without explanation',
      reason: typeof reason === 'string' ? reason : '',
      warnings,
    }
  }
  if (response.patch === undefined) return { kind: 'allowed', patch: undefined, warnings }
  if (response.patchType !== 'JSONPatch') return malformed('response.patchType must be "JSONPatch"')
  try {
    return {
      kind: 'allowed',
      patch: JSON.parse(Buffer.from(String(response.patch), 'base64').toString('utf8')),
      warnings,
    }
  } catch {
    return malformed('response.patch is not base64 of JSON')
  }
}
