import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Duplex, Readable } from 'node:stream'
import { type ExecEnd, type ExecFrame, ExecFrameReader, type ExecRequest, execFrame } from '#shared/control'
import { reasonOf } from '#shared/errors'
import type { Command } from '../host/index.ts'

/** The command for a request, or one sentence why there is none. */
export type ExecTarget = (request: ExecRequest) => Command | string

/** Longest wait for the rest of what the client must say first. */
const REQUEST_TIMEOUT_MS = 5_000

/** Serves one upgraded connection: the request frame, then input, output and signals until the command ends. */
export function serveExec(socket: Duplex, head: Buffer, target: ExecTarget): void {
  new ExecSession(socket, target).start(head)
}

class ExecSession {
  readonly #socket: Duplex
  readonly #target: ExecTarget
  readonly #reader = new ExecFrameReader()
  readonly #late: NodeJS.Timeout
  #child: ChildProcessWithoutNullStreams | undefined

  constructor(socket: Duplex, target: ExecTarget) {
    this.#socket = socket
    this.#target = target
    this.#late = setTimeout(() => socket.destroy(), REQUEST_TIMEOUT_MS)
  }

  start(head: Buffer): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    // The end of input is a frame; a connection that ends is a client that is gone, and takes its command with it.
    this.#socket.on('end', () => this.#socket.destroy())
    this.#socket.on('close', () => {
      clearTimeout(this.#late)
      if (this.#child !== undefined) signalGroup(this.#child, 'SIGKILL')
    })
    if (head.length > 0) this.#receive(head)
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.read(chunk)) this.#handle(frame)
    } catch (error) {
      this.#end({ kind: 'refused', error: reasonOf(error) })
    }
  }

  #handle({ channel, payload }: ExecFrame): void {
    const child = this.#child
    if (child === undefined) {
      if (channel === 'request') this.#run(parseRequest(payload))
    } else if (channel === 'stdin' && payload.length === 0) child.stdin.end()
    else if (channel === 'stdin') this.#feed(child, payload)
    else if (channel === 'signal') signalGroup(child, payload.toString())
  }

  /** A command that does not read holds the client back. */
  #feed(child: ChildProcessWithoutNullStreams, payload: Buffer): void {
    if (child.stdin.destroyed || child.stdin.write(Buffer.from(payload))) return
    this.#socket.pause()
    child.stdin.once('drain', () => this.#socket.resume())
  }

  #run(request: ExecRequest): void {
    clearTimeout(this.#late)
    const command = this.#target(request)
    if (typeof command === 'string') {
      this.#end({ kind: 'refused', error: command })
      return
    }
    const child = spawn(command.file, command.args, { env: command.env, stdio: 'pipe', detached: true })
    this.#child = child
    // Input for a command that has closed its end, or has ended.
    child.stdin.on('error', () => this.#socket.resume())
    child.stdin.on('close', () => this.#socket.resume())
    this.#forward(child.stdout, 'stdout')
    this.#forward(child.stderr, 'stderr')
    child.on('error', (error) => this.#end({ kind: 'refused', error: error.message }))
    child.on('close', (code, signal) => {
      this.#end(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal })
    })
  }

  #forward(stream: Readable, channel: 'stdout' | 'stderr'): void {
    stream.on('data', (chunk: Buffer) => {
      if (this.#socket.destroyed || this.#socket.write(execFrame(channel, chunk))) return
      stream.pause()
      this.#socket.once('drain', () => stream.resume())
    })
  }

  #end(end: ExecEnd): void {
    this.#child = undefined
    if (!this.#socket.destroyed) this.#socket.end(execFrame('end', JSON.stringify(end)))
  }
}

function parseRequest(payload: Buffer): ExecRequest {
  const value: unknown = JSON.parse(payload.toString())
  const { namespace, pod, container, command } = (value ?? {}) as Record<string, unknown>
  const isText = (each: unknown): each is string => typeof each === 'string'
  if (!isText(namespace) || !isText(pod) || !isText(container) || !Array.isArray(command) || !command.every(isText)) {
    throw new TypeError('the exec request cannot be understood')
  }
  return { namespace, pod, container, command }
}

/** The command's own session: whatever it started is told as well. Unknown names and ended groups are no error. */
function signalGroup(child: ChildProcessWithoutNullStreams, name: string): void {
  if (child.pid === undefined || !Object.hasOwn(constants.signals, name)) return
  try {
    process.kill(-child.pid, name as NodeJS.Signals)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
