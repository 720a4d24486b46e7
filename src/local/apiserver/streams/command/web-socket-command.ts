import type { Duplex } from 'node:stream'
import { Readable, Writable } from 'node:stream'
import type { Clock } from '#shared/clock'
import type { ApiObject, PodBackend } from '../../types.ts'
import { WebSocketConnection } from '../websocket/web-socket.ts'
import type { CommandRequest } from './command-request.ts'
import { type CommandChannels, runCommand } from './run-command.ts'
import { readSize } from './terminal-size.ts'

/** The best first. v5 can close one channel, which v4 cannot. */
export const COMMAND_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const

/** First byte of each message. */
const STDIN = 0
const STDOUT = 1
const STDERR = 2
const ERROR = 3
const RESIZE = 4
/** v5: the second byte names the channel that ends. */
const CLOSE = 255

/** exec or attach over a WebSocket whose handshake has been answered. */
export function serveWebSocketCommand(
  socket: Duplex,
  head: Buffer,
  protocol: string,
  pod: ApiObject,
  request: CommandRequest,
  backend: PodBackend,
  clock: Clock,
): void {
  const connection = new WebSocketConnection(socket, clock)
  let resume: (() => void) | undefined
  let resize: (columns: number, rows: number) => void = () => {}
  let gone: () => void = () => {}
  const stdin = request.hasStdin
    ? new Readable({
        read() {
          resume?.()
          resume = undefined
        },
      })
    : undefined
  stdin?.on('error', () => {})
  const channels: CommandChannels = {
    stdin,
    stdout: request.hasStdout ? output(connection, STDOUT) : undefined,
    stderr: request.hasStderr ? output(connection, STDERR) : undefined,
    onResize: (callback) => {
      resize = callback
    },
    onGone: (callback) => {
      gone = callback
    },
    finish(status) {
      void connection.send(Buffer.from([ERROR]), Buffer.from(JSON.stringify(status)))
      connection.close(1000, '')
    },
  }
  const run = runCommand(backend, pod, request, channels)
  void connection.serve(head, {
    message(payload) {
      const [channel, second] = payload
      if (channel === RESIZE) {
        const size = readSize(payload.subarray(1))
        if (size !== undefined) resize(size.columns, size.rows)
      } else if (channel === CLOSE && protocol === COMMAND_PROTOCOLS[0] && second === STDIN) stdin?.push(null)
      else if (channel === STDIN && stdin !== undefined && payload.length > 1) {
        if (stdin.readableEnded || stdin.destroyed || stdin.push(payload.subarray(1))) return undefined
        return new Promise((resolve) => {
          resume = resolve
        })
      }
      return undefined
    },
    closed() {
      stdin?.destroy()
      gone()
    },
  })
  void run
}

function output(connection: WebSocketConnection, channel: number): Writable {
  const prefix = Buffer.from([channel])
  // An empty message tells the client that the channel is there.
  void connection.send(prefix)
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      connection.send(prefix, chunk).then(() => done(), done)
    },
  })
}
