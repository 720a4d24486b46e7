import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { ApiObject, ExecSession, PodBackend } from '../../types.ts'
import type { CommandRequest } from './command-request.ts'
import { exitStatus, failureStatus } from './exit-status.ts'

/** The client's ends, whatever the protocol. */
export interface CommandChannels {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  readonly stderr: Writable | undefined
  /** Calls back for each new size of the client's terminal. */
  onResize(resize: (columns: number, rows: number) => void): void
  onGone(gone: () => void): void
  /** Ends all channels, with this on the error channel. */
  finish(status: object): void
}

/** One exec or attach from its begin to its exit status. Never rejects: what goes wrong is the status. */
export async function runCommand(
  backend: PodBackend,
  pod: ApiObject,
  request: CommandRequest,
  channels: CommandChannels,
): Promise<void> {
  let isGone = false
  let session: ExecSession | undefined
  channels.onGone(() => {
    isGone = true
    session?.kill()
  })
  try {
    session = request.kind === 'exec' ? await backend.exec(pod, request) : await backend.attach(pod, request)
    if (isGone) {
      session.kill()
      return
    }
    channels.onResize((columns, rows) => session?.resize(columns, rows))
    feed(channels.stdin, session.stdin)
    const [code] = await Promise.all([
      session.exitCode,
      deliver(session.stdout, channels.stdout),
      session.stderr && deliver(session.stderr, channels.stderr),
    ])
    channels.finish(exitStatus(code))
  } catch (error) {
    session?.kill()
    channels.finish(failureStatus(error))
  }
}

function feed(from: Readable | undefined, to: Writable | undefined): void {
  if (to === undefined) return
  // A command that has closed its input, or has ended, takes no more.
  to.on('error', () => from?.resume())
  to.on('close', () => from?.resume())
  if (from === undefined) to.end()
  else from.pipe(to)
}

/** All of an output; what nobody asked for is read and dropped, so that the command can go on. */
async function deliver(from: Readable, to: Writable | undefined): Promise<void> {
  const isGone = (): void => void from.resume()
  if (to === undefined) from.resume()
  else {
    to.on('error', isGone)
    to.on('close', isGone)
    from.pipe(to, { end: false })
  }
  await finished(from, { writable: false }).catch(() => undefined)
}
