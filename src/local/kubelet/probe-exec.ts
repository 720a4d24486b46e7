import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { type Command, describeEnd, ProcessGroup } from '../host/index.ts'

export const TOO_LATE = 'no answer in time'

/** Of what a command says, this much is told. */
const MAX_OUTPUT = 1_024
/** For its last words, once it has ended; a daemon that it left may hold its output open for ever. */
const LAST_WORDS_MS = 100

/** Runs a command to its end: status 0 is yes. @param signal ends it, and whatever it started */
export async function askCommand(command: Command, signal: AbortSignal): Promise<string | undefined> {
  const group = new ProcessGroup(command, ['ignore', 'pipe', 'pipe'])
  let output = ''
  for (const stream of [group.child?.stdout, group.child?.stderr]) {
    stream?.on('data', (bytes: Buffer) => {
      if (output.length < MAX_OUTPUT) output += bytes.toString()
    })
  }
  const kill = (): void => group.signal('SIGKILL')
  signal.addEventListener('abort', kill)
  const closed = group.child === undefined ? undefined : once(group.child, 'close').catch(() => {})
  const end = await group.ended
  await Promise.race([closed, after(LAST_WORDS_MS, undefined, { ref: false })])
  signal.removeEventListener('abort', kill)
  if (end.kind === 'exited' && end.code === 0) return undefined
  if (signal.aborted) return TOO_LATE
  const said = output.trim().slice(0, MAX_OUTPUT)
  return said === '' ? `the command ${describeEnd(end)}` : `the command ${describeEnd(end)}: ${said}`
}
