import { isRecord } from '#shared/document'
import type { ApiDocument } from '#shared/kube-client'
import type { Look } from './until.ts'

/** A condition of an object's status, wherever it stands. */
export interface StatusCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  /** Undefined: the controller does not say which state it looked at. */
  readonly observedGeneration: number | undefined
}

/** Groups whose objects work only when a controller has taken them up and said so. */
const TAKEN_UP_GROUP = 'gateway.networking.k8s.io'
/** Kinds of that group that no controller answers. */
const UNANSWERED = ['ReferenceGrant']
/** What says that an object was taken up, for all or for kinds of a group. */
const ACCEPTED = ['Accepted', 'Established']

/** Conditions of the object itself, and of each parent or ancestor that it is attached to. */
export function conditionsOf(object: ApiDocument): readonly StatusCondition[] {
  const status = isRecord(object.status) ? object.status : {}
  const attached = [status.parents, status.ancestors].flatMap((each) => (Array.isArray(each) ? each : []))
  return [status, ...attached].flatMap((each) => conditions(each))
}

/** Whether controllers have taken an object up, in the state that was last written. */
export function acceptance(object: ApiDocument): Look {
  const { apiVersion, kind } = object
  const { generation } = isRecord(object.metadata) ? object.metadata : {}
  const told = conditionsOf(object).filter(({ type }) => ACCEPTED.includes(type))
  if (told.length === 0) {
    const isAnswered = String(apiVersion).startsWith(`${TAKEN_UP_GROUP}/`) && !UNANSWERED.includes(String(kind))
    return isAnswered ? { kind: 'wait', reason: 'no controller has taken it up' } : { kind: 'done' }
  }
  for (const { type, status, reason, message, observedGeneration } of told) {
    if (observedGeneration !== undefined && observedGeneration !== generation)
      return { kind: 'wait', reason: `its controller has not seen its last change` }
    if (status !== 'True')
      return { kind: 'wait', reason: [`${type}=${status}`, reason, message].filter((part) => part !== '').join(', ') }
  }
  return { kind: 'done' }
}

function conditions(holder: unknown): readonly StatusCondition[] {
  const list = isRecord(holder) && Array.isArray(holder.conditions) ? holder.conditions.filter(isRecord) : []
  return list.map(({ type, status, reason, message, observedGeneration }) => ({
    type: text(type),
    status: text(status),
    reason: text(reason),
    message: text(message),
    observedGeneration: typeof observedGeneration === 'number' ? observedGeneration : undefined,
  }))
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
