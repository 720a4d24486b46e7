import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'

/** A command as it is executed: an absolute file and its arguments, never a shell line. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export type ProcessEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'unstarted'; readonly reason: string }

/** One run of a command, in a session of its own so that what it starts can be told and ended with it. */
export class ProcessGroup {
  /** Undefined when the command could not even be given to the system. */
  readonly child: ChildProcess | undefined
  /** Never rejects. What is left of the group has been killed by then. */
  readonly ended: Promise<ProcessEnd>
  #isOver = false

  constructor({ file, args, env }: Command, stdio: StdioOptions) {
    const started = attempt(() => spawn(file, args, { env, stdio, detached: true }))
    if (!('child' in started)) {
      this.ended = Promise.resolve({ kind: 'unstarted', reason: started.problem })
      return
    }
    const { child } = started
    this.child = child
    this.ended = new Promise((resolve) => {
      const end = (how: ProcessEnd): void => {
        this.signal('SIGKILL')
        this.#isOver = true
        resolve(how)
      }
      child.once('error', (error) => end({ kind: 'unstarted', reason: error.message }))
      child.once('exit', (code, signal) =>
        end(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal }),
      )
    })
  }

  /** In this program's own numbering; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.child?.pid
  }

  /** To the whole group. A group that is gone is no error. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this
    if (pid === undefined || this.#isOver) return
    try {
      process.kill(-pid, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** Words with a zero byte, or too many of them, are refused by an exception; all else by an event. */
function attempt(start: () => ChildProcess): { readonly child: ChildProcess } | { readonly problem: string } {
  try {
    return { child: start() }
  } catch (error) {
    return { problem: (error as Error).message }
  }
}

/** For people. */
export function describeEnd(end: ProcessEnd): string {
  if (end.kind === 'exited') return `exited with status ${end.code}`
  return end.kind === 'killed' ? `killed by ${end.signal}` : `cannot be started: ${end.reason}`
}
