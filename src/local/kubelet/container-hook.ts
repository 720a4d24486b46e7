import { type Clock, sleep } from '#shared/clock'
import type { HookPlan } from '../pod-plan/index.ts'
import { askOnce, type ProbeTarget } from './probe.ts'

/** Does what a lifecycle hook says. @returns undefined when it went well, else why not */
export async function runHook(
  hook: HookPlan,
  target: ProbeTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (hook.kind !== 'sleep') return askOnce(hook, target, signal)
  try {
    await sleep(clock, hook.ms, signal)
    return undefined
  } catch {
    return 'it was cut short'
  }
}
