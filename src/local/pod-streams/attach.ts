import { Readable, Writable } from 'node:stream'
import type { Clock, Timer } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { ExecSession } from '../apiserver/index.ts'
import type { ContainerLog, OutputStream } from '../logs/index.ts'
import type { ContainerConsole } from './types.ts'

export interface AttachOptions {
  readonly hasStdin: boolean
  /** The container's, not only the client's. */
  readonly hasTty: boolean
  /** The end of the first input is the end of the container's. */
  readonly isStdinOnce: boolean
}

/** A client that takes nothing for so long no longer holds the container's process back. */
const PATIENCE_MS = 30_000

/** What the container's process writes from now on, and a way to its input. Ends with the run. */
export function attachTo(
  log: ContainerLog,
  console: ContainerConsole,
  { hasStdin, hasTty, isStdinOnce }: AttachOptions,
  clock: Clock,
): ExecSession {
  const stdout = new HeldOutput(clock)
  const stderr = hasTty ? undefined : new HeldOutput(clock)
  const outputs: Readonly<Record<OutputStream, HeldOutput | undefined>> = { stdout, stderr }
  const stop = (): void => {
    unfollow()
    stdout.push(null)
    stderr?.push(null)
  }
  const unfollow = log.follow((stream, bytes) => outputs[stream]?.offer(bytes), stop)
  const ended = Promise.all([stdout, stderr].map((output) => output?.ended))
  return {
    stdin: hasStdin && console.stdin !== undefined ? inputTo(console.stdin, isStdinOnce) : undefined,
    stdout,
    stderr,
    resize: (columns, rows) => console.resize(columns, rows),
    // How it ended is in the pod's status.
    exitCode: ended.then(() => 0),
    kill() {
      unfollow()
      if (hasStdin && isStdinOnce) console.stdin?.end()
      stdout.destroy()
      stderr?.destroy()
    },
  }
}

/** The container's input outlives those who attach to it. */
function inputTo(stdin: Writable, isStdinOnce: boolean): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (stdin.destroyed || stdin.writableEnded) done()
      else stdin.write(chunk, () => done())
    },
    final(done) {
      if (isStdinOnce) stdin.end()
      done()
    },
  })
}

/** An output that holds its writer back until it is read. */
class HeldOutput extends Readable {
  readonly #clock: Clock
  #release: () => void = () => {}
  readonly ended: Promise<void>

  constructor(clock: Clock) {
    super()
    this.#clock = clock
    this.ended = new Promise((resolve) => this.once('close', resolve))
    this.on('error', () => {})
  }

  offer(bytes: Buffer): Promise<void> | undefined {
    if (this.destroyed || this.push(bytes)) return undefined
    return new Promise((resolve) => {
      const late: Timer = this.#clock.setTimer(PATIENCE_MS, () =>
        this.destroy(new MeshError('COMMAND_FAILED', 'the attached client takes no output')),
      )
      this.#release = () => {
        late.cancel()
        resolve()
      }
    })
  }

  override _read(): void {
    this.#release()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#release()
    done(error)
  }
}
