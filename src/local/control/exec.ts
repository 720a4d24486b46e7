import { constants } from 'node:os'
import type { Duplex, Readable } from 'node:stream'
import { type ExecEnd, type ExecFrame, ExecFrameReader, type ExecRequest, execFrame } from '#shared/control'
import { reasonOf } from '#shared/errors'
import type { SessionProcess } from '../host/index.ts'

/** Starts the command of a request, with an input and without a terminal; or one sentence why not. */
export type ExecTarget = (request: ExecRequest) => SessionProcess | string

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
  #process: SessionProcess | undefined

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
      this.#process?.kill()
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
    const running = this.#process
    if (running === undefined) {
      if (channel === 'request') this.#run(parseRequest(payload))
    } else if (channel === 'stdin' && payload.length === 0) running.stdin?.end()
    else if (channel === 'stdin') this.#feed(running, payload)
    else if (channel === 'signal' && isSignal(payload.toString())) running.signal(payload.toString() as NodeJS.Signals)
  }

  /** A command that does not read holds the client back. */
  #feed({ stdin }: SessionProcess, payload: Buffer): void {
    if (stdin === undefined || stdin.destroyed || stdin.write(Buffer.from(payload))) return
    this.#socket.pause()
    stdin.once('drain', () => this.#socket.resume())
  }

  #run(request: ExecRequest): void {
    clearTimeout(this.#late)
    const started = this.#target(request)
    if (typeof started === 'string') {
      this.#end({ kind: 'refused', error: started })
      return
    }
    this.#process = started
    // Input for a command that has closed its end, or has ended.
    started.stdin?.on('close', () => this.#socket.resume())
    this.#forward(started.stdout, 'stdout')
    if (started.stderr !== undefined) this.#forward(started.stderr, 'stderr')
    void started.finished.then((end) =>
      this.#end(end.kind === 'unstarted' ? { kind: 'refused', error: end.reason } : end),
    )
  }

  #forward(stream: Readable, channel: 'stdout' | 'stderr'): void {
    stream.on('data', (chunk: Buffer) => {
      if (this.#socket.destroyed || this.#socket.write(execFrame(channel, chunk))) return
      stream.pause()
      this.#socket.once('drain', () => stream.resume())
    })
  }

  #end(end: ExecEnd): void {
    this.#process = undefined
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

function isSignal(name: string): boolean {
  return Object.hasOwn(constants.signals, name)
}
