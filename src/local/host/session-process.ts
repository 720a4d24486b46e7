import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { finished, Readable, type Writable } from 'node:stream'
import { Pty } from '#shared/sys'
import { killSession } from './machine-pids.ts'
import type { Command, ProcessEnd } from './process-group.ts'

export interface SessionOptions {
  /** Whether it gets an input. */
  readonly hasStdin: boolean
  /** Around all of its standard streams. */
  readonly hasTty: boolean
}

/** A command whose standard streams are in this program's hands, in a session of its own. */
export class SessionProcess {
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  /** Undefined with a terminal, which has one output. */
  readonly stderr: Readable | undefined
  /** When the process is gone; never rejects. What it started may go on, and hold its outputs open: see `killRest`. */
  readonly ended: Promise<ProcessEnd>
  /** The same, when both outputs are at their end, too. */
  readonly finished: Promise<ProcessEnd>
  readonly #child: ChildProcess | undefined
  readonly #pty: Pty | undefined
  #isOver = false

  /** @param setsid the tool that gives a session its terminal */
  constructor(command: Command, { hasStdin, hasTty }: SessionOptions, setsid: string) {
    const started = hasTty ? startInTerminal(command, setsid) : startWithPipes(command, hasStdin)
    if (started.kind === 'refused') {
      this.stdout = Readable.from([])
      this.ended = Promise.resolve({ kind: 'unstarted', reason: started.reason })
      this.finished = this.ended
      return
    }
    const { child, pty } = started
    this.#child = child
    this.#pty = pty
    // A terminal could be typed into in any case; without an input nobody shall.
    this.stdin = pty === undefined ? (child.stdin ?? undefined) : hasStdin ? pty.input : undefined
    this.stdout = pty?.output ?? child.stdout ?? Readable.from([])
    this.stderr = child.stderr ?? undefined
    // Input for a process that has closed its end, or has ended.
    this.stdin?.on('error', () => {})
    this.ended = this.#end(child)
    const outputs = [this.stdout, this.stderr].map((output) => output && endOf(output))
    this.finished = Promise.all([this.ended, ...outputs]).then(([end]) => end)
  }

  /** In this program's own numbering; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** To its process group. One that is gone is no error. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this
    if (pid === undefined || this.#isOver) return
    // Until `setsid` has run there is no such group yet, but the process.
    if (!send(-pid, name)) send(pid, name)
  }

  /** What is left of its process group when it has ended. */
  killRest(): void {
    if (this.pid !== undefined) send(-this.pid, 'SIGKILL')
  }

  /** Of its terminal; nothing without one. */
  resize(columns: number, rows: number): void {
    this.#pty?.resize(columns, rows)
  }

  /** Everything of it at once: the process, its session, and what came from them. Nothing is written or read any more. */
  kill(): void {
    const { pid } = this
    if (pid !== undefined && !this.#isOver) {
      // While its parent lives, a process can be told by it.
      killSession(pid)
      this.signal('SIGKILL')
    } else if (pid !== undefined) this.#killLeft(pid)
    this.#pty?.close()
    this.stdin?.destroy()
    this.stdout.destroy()
    this.stderr?.destroy()
  }

  /** A process that is over has given its pid back; while something of its session is left, nobody else gets it. */
  #killLeft(pid: number): void {
    if (this.stdout.readableEnded && this.stderr?.readableEnded !== false) return
    killSession(pid)
  }

  #end(child: ChildProcess): Promise<ProcessEnd> {
    return new Promise((resolve) => {
      const end = (how: ProcessEnd): void => {
        this.#isOver = true
        resolve(how)
      }
      child.once('error', (error) => end({ kind: 'unstarted', reason: error.message }))
      child.once('exit', (code, signal) =>
        end(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal }),
      )
    })
  }
}

type Started =
  | { readonly kind: 'started'; readonly child: ChildProcess; readonly pty: Pty | undefined }
  | { readonly kind: 'refused'; readonly reason: string }

function startWithPipes(command: Command, hasStdin: boolean): Started {
  return start(command.file, command, [hasStdin ? 'pipe' : 'ignore', 'pipe', 'pipe'], undefined)
}

function startInTerminal(command: Command, setsid: string): Started {
  let pty: Pty
  try {
    pty = Pty.open()
  } catch (error) {
    return { kind: 'refused', reason: (error as Error).message }
  }
  const { file, args, env } = command
  const side = pty.processFd
  const started = start(setsid, { args: ['--ctty', '--', file, ...args], env }, [side, side, side], pty)
  if (started.kind === 'started') pty.releaseProcessSide()
  else pty.close()
  return started
}

function start(
  file: string,
  { args, env }: Pick<Command, 'args' | 'env'>,
  stdio: StdioOptions,
  pty: Pty | undefined,
): Started {
  try {
    // With a terminal `setsid` begins the session, as only that may take one.
    return { kind: 'started', child: spawn(file, args, { env, stdio, detached: pty === undefined }), pty }
  } catch (error) {
    // Words with a zero byte, or too many of them; all else comes as an event.
    return { kind: 'refused', reason: (error as Error).message }
  }
}

function endOf(output: Readable): Promise<void> {
  return new Promise((resolve) => finished(output, { writable: false }, () => resolve()))
}

/** @returns false when there is nobody of that number */
function send(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    return false
  }
}
