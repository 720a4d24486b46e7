import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '#shared/document'
import type { ApiDocument } from '#shared/kube-client'
import type { EventNote, StatusEdit } from './types.ts'

/** A Kubernetes condition as it is stated; the times and generations are the writer's. */
export interface StatedCondition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  /** CamelCase. */
  readonly reason: string
  readonly message: string
  /** What an event of it counts as; `none`: its changes are no news. */
  readonly event: EventNote['type'] | 'none'
}

export interface Conditions {
  /** Types that are ours on this object: one that is not stated is taken away. All others are left as they are. */
  readonly ownTypes: ReadonlySet<string>
  readonly stated: readonly StatedCondition[]
  /** Of the object that they are about; undefined for kinds without generations. */
  readonly observedGeneration: number | undefined
}

/** Kubernetes takes up to 32 KiB; nobody reads that, and lists of attributes come from users. */
const MAX_MESSAGE = 2_048

/**
 * Merges conditions into `status.conditions` beside those of others. `lastTransitionTime` moves when the status does, a
 * condition that says the same stays as it is, and only a new status, reason or message is an event.
 */
export function editConditions({ ownTypes, stated, observedGeneration }: Conditions): StatusEdit {
  return (status, now) => {
    const current = conditionsOf(status)
    const wanted = new Map(stated.map((each) => [each.type, each]))
    const events: EventNote[] = []
    const renew = (each: StatedCondition, before: ApiDocument | undefined): ApiDocument => {
      const next = conditionOf(each, before, observedGeneration, now)
      const isNews = before === undefined || !saysTheSame(before, next)
      if (isNews && each.event !== 'none')
        events.push({ type: each.event, reason: each.reason, message: String(next.message) })
      return next
    }
    const kept = current.flatMap((before) => {
      const type = String(before.type)
      const each = wanted.get(type)
      if (each === undefined) return ownTypes.has(type) ? [] : [before]
      wanted.delete(type)
      return [renew(each, before)]
    })
    const conditions = [...kept, ...[...wanted.values()].map((each) => renew(each, undefined))]
    if (isDeepStrictEqual(conditions, current)) return undefined
    return { patch: { conditions: conditions.length === 0 ? null : conditions }, events }
  }
}

function conditionsOf({ conditions }: ApiDocument): readonly ApiDocument[] {
  return Array.isArray(conditions) ? conditions.filter(isRecord) : []
}

function conditionOf(
  { type, status, reason, message }: StatedCondition,
  before: ApiDocument | undefined,
  observedGeneration: number | undefined,
  now: string,
): ApiDocument {
  const isSame = before?.status === status && typeof before.lastTransitionTime === 'string'
  return {
    type,
    status,
    reason,
    message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message,
    lastTransitionTime: isSame ? before.lastTransitionTime : now,
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
  }
}

function saysTheSame(a: ApiDocument, b: ApiDocument): boolean {
  return a.status === b.status && a.reason === b.reason && a.message === b.message
}
