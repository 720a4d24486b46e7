import { constants } from 'node:os'
import { describeEnd, type ProcessEnd } from '../host/index.ts'
import type { RestartPolicy } from '../pod-plan/index.ts'

/** One run of a container's process that is over (Kubernetes ContainerStateTerminated). */
export interface TerminatedRun {
  readonly exitCode: number
  /** Its number; undefined when the process ended by itself. */
  readonly signal: number | undefined
  readonly reason: 'Completed' | 'Error' | 'StartError' | 'Unknown'
  readonly message: string
  /** Epoch ms. */
  readonly startedAtMs: number
  readonly finishedAtMs: number
}

export type WaitingReason =
  | 'PodInitializing'
  | 'ContainerCreating'
  | 'CreateContainerConfigError'
  | 'RunContainerError'
  | 'CrashLoopBackOff'

/**
 * ```
 * waiting ─start→ running ─exit→ waiting (CrashLoopBackOff) ─back-off over→ running …
 *                    └─exit, its policy or the pod's end says no more→ terminated
 * ```
 */
export type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: WaitingReason; readonly message: string }
  | { readonly kind: 'running'; readonly pid: number; readonly startedAtMs: number }
  | { readonly kind: 'terminated'; readonly run: TerminatedRun }

/** What an earlier life of this program left of a container. */
export interface EarlierRun {
  readonly restarts: number
  readonly last: TerminatedRun
}

/** The sandbox's script says so before the command has taken its place (sandbox.ts). */
const SCRIPT_VOICE = /^enter: (.*)/m
/** As shells end when they cannot enter a folder (here), or run a file. */
const START_FAILURES = [125, 126, 127]
const MAX_MESSAGE = 1_024

/** @param firstOutput the beginning of what the run wrote, as only there the script can have spoken */
export function terminatedRun(
  end: ProcessEnd,
  times: { readonly startedAtMs: number; readonly finishedAtMs: number },
  firstOutput: string,
): TerminatedRun {
  if (end.kind === 'unstarted') {
    return { exitCode: 128, signal: undefined, reason: 'StartError', message: describeEnd(end), ...times }
  }
  if (end.kind === 'killed') {
    const signal = constants.signals[end.signal]
    return { exitCode: 128 + signal, signal, reason: 'Error', message: '', ...times }
  }
  const { code: exitCode } = end
  const complaint = START_FAILURES.includes(exitCode) ? SCRIPT_VOICE.exec(firstOutput)?.[1] : undefined
  if (complaint !== undefined) {
    const message = `the command could not be started: ${complaint}`.slice(0, MAX_MESSAGE)
    return { exitCode, signal: undefined, reason: 'StartError', message, ...times }
  }
  return { exitCode, signal: undefined, reason: exitCode === 0 ? 'Completed' : 'Error', message: '', ...times }
}

export function restartsAfter(policy: RestartPolicy, { exitCode }: TerminatedRun): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

/** Whether what an earlier life left stays as it is. All of a pod's init containers run again, as its namespaces are new. */
export function staysEnded(policy: RestartPolicy, { last }: EarlierRun, role: 'init' | 'sidecar' | 'main'): boolean {
  if (policy === 'Never') return true
  return role === 'main' && !restartsAfter(policy, last)
}
