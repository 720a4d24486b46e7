import type { Clock } from '#shared/clock'
import { isRunning, type ProcessIdentity } from '#shared/control'
import { MeshError } from '#shared/errors'
import { ControlClient } from './control-client.ts'
import { runningPortOpener, runningProcesses } from './state-folder.ts'

/** What a mesh may take to go down when asked; then it is killed. */
const START_WAIT_MS = 3_000
const STOP_WAIT_MS = 10_000
const KILL_WAIT_MS = 10_000
const LOOK_MS = 15

/**
 * Ends the mesh of a folder: asks it, and kills it when it does not go. Process 1 of its pid namespace takes every
 * other process with it, so nothing can be left running.
 * @param isHurried true = kills at once; asked again and again
 */
export async function endMesh(stateDir: string, clock: Clock, isHurried: () => boolean = () => false): Promise<void> {
  const mesh = await startedProcesses(stateDir, clock)
  // It ends with the supervisor, by itself; also when that one was killed long ago it is looked for.
  const opener = runningPortOpener(stateDir)
  const processes = opener === undefined ? mesh : [...mesh, opener]
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

/**
 * The mesh's processes, once the supervisor has written down all of them: killing only the `unshare` of a mesh that is
 * just being started could miss what it has forked a moment ago.
 */
async function startedProcesses(stateDir: string, clock: Clock): Promise<readonly ProcessIdentity[]> {
  const untilMs = clock.monotonicMs() + START_WAIT_MS
  for (;;) {
    const processes = runningProcesses(stateDir)
    if (processes.length !== 1 || clock.monotonicMs() > untilMs) return processes
    await pause(clock)
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
    await pause(clock)
  }
  return true
}

/** Nothing else keeps this process alive meanwhile. */
function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(LOOK_MS, resolve, true))
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
