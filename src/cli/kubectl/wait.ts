import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiDocument } from '#shared/kube-client'
import {
  conditionsOf,
  type Look,
  objectName,
  type PathStep,
  parseJsonPath,
  untilObject,
  valuesAt,
  valueText,
} from '../cluster/index.ts'
import { type SelectFlags, selectObjects } from './select.ts'
import type { Session } from './session.ts'

/** What `--for` says. */
export type WaitGoal =
  | { readonly kind: 'delete' }
  | { readonly kind: 'condition'; readonly type: string; readonly status: string }
  | {
      readonly kind: 'value'
      readonly text: string
      readonly path: readonly PathStep[]
      /** Undefined: any value. */
      readonly value: string | undefined
    }

export interface WaitFlags extends SelectFlags {
  readonly for: string
  readonly timeout: number
}

/** @throws MeshError with the forms that there are */
export function readGoal(text: string): WaitGoal {
  if (text === 'delete') return { kind: 'delete' }
  const condition = /^condition=([^=]+)(?:=(.+))?$/.exec(text)
  if (condition !== null) return { kind: 'condition', type: condition[1] ?? '', status: condition[2] ?? 'True' }
  const value = /^jsonpath=(\{.*?\}|[^=]+)(?:=(.*))?$/s.exec(text)
  if (value !== null)
    return { kind: 'value', text: value[1] ?? '', path: parseJsonPath(value[1] ?? ''), value: value[2] }
  throw new MeshError(
    'COMMAND_FAILED',
    `--for=${text} is not understood; it is condition=TYPE[=STATUS], jsonpath={PATH}[=VALUE] or delete`,
  )
}

/** Whether an object is as `--for` wants it. */
export function lookFor(goal: WaitGoal, object: ApiDocument | undefined): Look {
  if (goal.kind === 'delete')
    return object === undefined ? { kind: 'done' } : { kind: 'wait', reason: 'it is still there' }
  if (object === undefined) return { kind: 'wait', reason: 'it does not exist' }
  if (goal.kind === 'condition') {
    const found = conditionsOf(object).find(({ type }) => type.toLowerCase() === goal.type.toLowerCase())
    if (found === undefined) return { kind: 'wait', reason: `it has no condition ${goal.type}` }
    const { generation } = isRecord(object.metadata) ? object.metadata : {}
    const { status, reason, message, observedGeneration } = found
    if (observedGeneration !== undefined && typeof generation === 'number' && observedGeneration < generation)
      return { kind: 'wait', reason: 'its controller has not seen its last change' }
    if (status.toLowerCase() === goal.status.toLowerCase()) return { kind: 'done' }
    const words = [`${found.type} is ${status}`, reason, message].filter((part) => part !== '')
    return { kind: 'wait', reason: words.join(', ') }
  }
  const values = valuesAt(object, goal.path).map(valueText)
  const isMet = goal.value === undefined ? values.length > 0 : values.includes(goal.value)
  return isMet ? { kind: 'done' } : { kind: 'wait', reason: `${goal.text} is ${values.join(', ') || 'not there'}` }
}

export async function wait(session: Session, args: readonly string[], flags: WaitFlags): Promise<void> {
  const goal = readGoal(flags.for)
  const chosen = await selectObjects(session, args, flags)
  if (chosen.length === 0 && goal.kind !== 'delete') throw new MeshError('NOT_FOUND', 'no matching objects found')
  const untilMs = session.clock.monotonicMs() + flags.timeout
  for (const { resource, id } of chosen) {
    const name = objectName(resource, id.name)
    const timeoutMs = Math.max(1, untilMs - session.clock.monotonicMs())
    let isThere = false
    const look = (object: ApiDocument | undefined): Look => {
      // As kubectl: what is not there at the beginning is a mistake, except when its end is waited for.
      if (object === undefined && goal.kind !== 'delete')
        throw new MeshError('NOT_FOUND', isThere ? `${name} was deleted` : `${name} not found`)
      isThere ||= object !== undefined
      return lookFor(goal, object)
    }
    try {
      await untilObject(session.connection, resource, id, look, { clock: session.clock, timeoutMs })
      session.say(goal.kind === 'delete' ? `${name} deleted` : `${name} condition met`)
    } catch (error) {
      if (!(error instanceof MeshError) || error.code === 'KUBE_API_UNREACHABLE') throw error
      session.fail(error.message)
    }
  }
}
