import type { ParentRef } from '#shared/k8s'
import { type Finding, messageOf, REFERENCE_REASONS } from './findings.ts'

/** A condition of a route's parent, in Gateway API's words. */
export interface ParentCondition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'PartiallyInvalid'
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

export interface ParentVerdict {
  readonly ref: ParentRef
  readonly conditions: readonly ParentCondition[]
}

/** What becomes of a route, parent by parent, for `status.parents`; parents of others are not spoken about. */
export interface RouteVerdict {
  readonly kind: 'HTTPRoute' | 'GRPCRoute' | 'TCPRoute' | 'TLSRoute'
  /** `namespace/name`. */
  readonly key: string
  readonly generation: number | undefined
  readonly parents: readonly ParentVerdict[]
}

/** How a route stands to one of its parents. */
export type Attachment =
  /** `isUsed`: a waypoint reads it. */
  | { readonly kind: 'attached'; readonly isUsed: boolean }
  | {
      readonly kind: 'refused'
      readonly reason: 'NoMatchingParent' | 'NotAllowedByListeners'
      readonly message: string
    }

/**
 * @param findings of the route's rules, all of them
 * @param rules how many of its rules hold, and how many it has
 */
export function parentConditions(
  attachment: Attachment,
  findings: readonly Finding[],
  rules: { readonly kept: number; readonly written: number },
): readonly ParentCondition[] {
  const references = findings.filter(({ reason }) => REFERENCE_REASONS.has(reason))
  const others = findings.filter(({ reason }) => !REFERENCE_REASONS.has(reason))
  return [accepted(attachment, others, rules), resolvedRefs(references), ...partiallyInvalid(attachment, others, rules)]
}

function accepted(
  attachment: Attachment,
  findings: readonly Finding[],
  { kept, written }: { readonly kept: number; readonly written: number },
): ParentCondition {
  if (attachment.kind === 'refused')
    return { type: 'Accepted', status: 'False', reason: attachment.reason, message: attachment.message }
  if (written > 0 && kept === 0)
    return { type: 'Accepted', status: 'False', reason: 'UnsupportedValue', message: messageOf(findings) }
  const message = attachment.isUsed
    ? 'a waypoint routes by it'
    : 'no waypoint that reads it serves the parent: it has no effect yet'
  return { type: 'Accepted', status: 'True', reason: 'Accepted', message }
}

function resolvedRefs(references: readonly Finding[]): ParentCondition {
  const [first] = references
  if (first === undefined)
    return { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: 'all references exist' }
  return { type: 'ResolvedRefs', status: 'False', reason: first.reason, message: messageOf(references) }
}

function partiallyInvalid(
  attachment: Attachment,
  findings: readonly Finding[],
  { kept, written }: { readonly kept: number; readonly written: number },
): readonly ParentCondition[] {
  if (attachment.kind === 'refused' || findings.length === 0 || (written > 0 && kept === 0)) return []
  return [{ type: 'PartiallyInvalid', status: 'True', reason: 'UnsupportedValue', message: messageOf(findings) }]
}

/** An object that is not, or not as a whole, done as it is written; one without findings has no verdict. */
export interface ObjectVerdict {
  readonly kind:
    | 'VirtualService'
    | 'DestinationRule'
    | 'RequestAuthentication'
    | 'Telemetry'
    | 'RateLimit'
    | 'AuthorizationPolicy'
  /** `namespace/name`. */
  readonly key: string
  readonly generation: number | undefined
  readonly condition: {
    readonly type: 'ambit.dev/AppliedAsWritten'
    readonly status: 'False'
    readonly reason: 'PartlyIgnored'
    readonly message: string
  }
}

export function objectVerdict(
  object: {
    readonly kind: ObjectVerdict['kind']
    readonly metadata: { readonly namespace: string; readonly name: string; readonly generation: number | undefined }
  },
  findings: readonly Finding[],
): readonly ObjectVerdict[] {
  if (findings.length === 0) return []
  const { namespace, name, generation } = object.metadata
  const condition = {
    type: 'ambit.dev/AppliedAsWritten',
    status: 'False',
    reason: 'PartlyIgnored',
    message: messageOf(findings),
  } as const
  return [{ kind: object.kind, key: `${namespace}/${name}`, generation, condition }]
}
