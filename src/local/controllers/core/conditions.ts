import { isDeepStrictEqual } from 'node:util'
import type { ApiObject, ObjectAccess } from '../../apiserver/index.ts'
import { timeText } from './kinds.ts'
import type { Condition } from './shapes.ts'

type NewCondition = Pick<Condition, 'type' | 'status'> & { readonly reason: string; readonly message: string }

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type)
}

/**
 * The time of a transition moves only when the status does; an equal condition stays the very same, unless it is touched:
 * then its update time is now.
 */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  wanted: NewCondition,
  nowMs: number,
  options: { readonly withUpdateTime?: boolean; readonly isTouched?: boolean } = {},
): readonly Condition[] {
  const old = conditionOf(conditions, wanted.type)
  const isSame = old?.status === wanted.status && old.reason === wanted.reason && old.message === wanted.message
  if (isSame && options.isTouched !== true) return conditions ?? []
  const now = timeText(nowMs)
  const condition: Condition = {
    ...wanted,
    lastTransitionTime: old?.status === wanted.status ? (old.lastTransitionTime ?? now) : now,
    ...(options.withUpdateTime === true ? { lastUpdateTime: now } : {}),
  }
  return [...(conditions ?? []).filter(({ type }) => type !== wanted.type), condition]
}

export function withoutCondition(conditions: readonly Condition[] | undefined, type: string): readonly Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type)
}

/** Writes the status unless it is that already. */
export async function writeStatus(
  access: ObjectAccess,
  object: ApiObject,
  status: object,
  fieldManager: string,
): Promise<void> {
  if (isDeepStrictEqual(object.status, status)) return
  await access.update({ ...object, status }, { subresource: 'status', fieldManager })
}
