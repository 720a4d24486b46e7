import type { Clock } from '#shared/clock'
import { isRunning, type ProcessIdentity } from '#shared/control'
import { MeshError } from '#shared/errors'
import { ControlClient } from './control-client.ts'
import { runningProcesses } from './state-folder.ts'

/** What a mesh may take to go down when asked; then it is killed. */
const STOP_WAIT_MS = 10_000
const KILL_WAIT_MS = 10_000
const LOOK_MS = 15

/**
 * Ends the mesh of a folder: asks it, and kills it when it does not go. Process 1 of its pid namespace takes every
 * other process with it, so nothing can be left running.
 * @param isHurried kills at once
 */
export async function endMesh(stateDir: string, clock: Clock, isHurried: () => boolean = () => false): Promise<void> {
  const processes = runningProcesses(stateDir)
  if (processes.length === 0) return
  if (!isHurried()) {
    const isAsked = await new ControlClient(stateDir).stop().then(
      () => true,
      () => false,
    )
    if (isAsked && (await areGone(processes, STOP_WAIT_MS, clock, isHurried))) return
  }
  for (const each of processes) kill(each)
  if (!(await areGone(processes, KILL_WAIT_MS, clock, () => false))) {
    const pids = processes.filter(isRunning).map(({ pid }) => pid)
    throw new MeshError('COMMAND_FAILED', `processes ${pids.join(', ')} do not end; look at them with "ps"`)
  }
}

async function areGone(
  processes: readonly ProcessIdentity[],
  withinMs: number,
  clock: Clock,
  isHurried: () => boolean,
): Promise<boolean> {
  const untilMs = clock.monotonicMs() + withinMs
  while (processes.some(isRunning)) {
    if (clock.monotonicMs() > untilMs || isHurried()) return false
    // Nothing else keeps this process alive.
    await new Promise<void>((resolve) => void clock.setTimer(LOOK_MS, resolve, true))
  }
  return true
}

/** Only the very process that was recorded: its start time is compared right before. */
function kill(identity: ProcessIdentity): void {
  if (!isRunning(identity)) return
  try {
    process.kill(identity.pid, 'SIGKILL')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EPERM')
      throw new MeshError('PRIVILEGE_MISSING', 'the mesh belongs to another user; run "ambit down" as that user')
    if (code !== 'ESRCH') throw error
  }
}
