import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '#shared/clock'
import type { ApiObject, PodBackend } from '../../types.ts'
import { SpdySession } from '../spdy/session.ts'
import type { SpdyStream } from '../spdy/stream.ts'
import type { CommandRequest } from './command-request.ts'
import { type CommandChannels, runCommand } from './run-command.ts'
import { readSize } from './terminal-size.ts'

/** Before v4 the error channel had no status, so the exit code was lost: those are refused. */
export const SPDY_COMMAND_PROTOCOLS = ['v4.channel.k8s.io'] as const

/** All streams must be there by then. */
const OPEN_TIMEOUT_MS = 30_000
/** How long a client may keep the connection after the end. */
const LINGER_MS = 10_000
const MAX_RESIZE_BYTES = 1_024

/** exec or attach of kubectl before 1.30 over a connection whose upgrade has been answered. */
export function serveSpdyCommand(
  socket: Duplex,
  head: Buffer,
  pod: ApiObject,
  request: CommandRequest,
  backend: PodBackend,
  clock: Clock,
): void {
  const session = new SpdySession(socket)
  const wanted = [
    'error',
    ...(request.hasStdin ? ['stdin'] : []),
    ...(request.hasStdout ? ['stdout'] : []),
    ...(request.hasStderr ? ['stderr'] : []),
    ...(request.hasTty ? ['resize'] : []),
  ]
  const streams = new Map<string, SpdyStream>()
  let gone: () => void = () => {}
  const late: Timer = clock.setTimer(OPEN_TIMEOUT_MS, () => session.close())
  const ended = session.serve(head, (stream) => {
    const type = stream.headers.get('streamtype') ?? ''
    if (!wanted.includes(type) || streams.has(type)) {
      stream.destroy()
      return
    }
    streams.set(type, stream)
    if (streams.size < wanted.length) return
    late.cancel()
    const channels = channelsOf(session, streams, clock, (callback) => {
      gone = callback
    })
    void runCommand(backend, pod, request, channels)
  })
  void ended.then(() => {
    late.cancel()
    gone()
  })
}

function channelsOf(
  session: SpdySession,
  streams: ReadonlyMap<string, SpdyStream>,
  clock: Clock,
  onGone: CommandChannels['onGone'],
): CommandChannels {
  const stdout = streams.get('stdout')
  const stderr = streams.get('stderr')
  return {
    stdin: streams.get('stdin'),
    stdout,
    stderr,
    onResize(resize) {
      let text = Buffer.alloc(0)
      streams.get('resize')?.on('data', (chunk: Buffer) => {
        // One JSON document a line, however the frames are cut.
        const lines = Buffer.concat([text, chunk]).toString().split('\n')
        text = Buffer.from(lines.pop() ?? '').subarray(0, MAX_RESIZE_BYTES)
        for (const line of lines) {
          const size = readSize(Buffer.from(line))
          if (size !== undefined) resize(size.columns, size.rows)
        }
      })
    },
    onGone,
    finish(status) {
      streams.get('error')?.end(JSON.stringify(status))
      stdout?.end()
      stderr?.end()
      clock.setTimer(LINGER_MS, () => session.close())
    },
  }
}
