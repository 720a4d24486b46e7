import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { type ApiObjectId, type ChannelStream, type KubeConnection, objectPath } from '#shared/kube-client'
import { flushed, type Terminal } from '../print/index.ts'
import { POD, podQuery } from './pods.ts'

export interface ExecOrder {
  readonly pod: ApiObjectId
  /** Empty: the pod's default one. */
  readonly container: string
  readonly command: readonly string[]
  readonly hasStdin: boolean
  /** A terminal at both ends. */
  readonly hasTty: boolean
}

/** The best first; v4 cannot end standard input alone. */
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const

/**
 * Runs a command in a pod with this terminal's input and output. Signals stay here: the API carries none.
 * @returns the status to exit with
 * @throws MeshError when it could not be started or the stream broke off
 */
export async function execThroughApi(
  connection: KubeConnection,
  order: ExecOrder,
  terminal: Terminal,
): Promise<number> {
  const { pod, container, command, hasStdin, hasTty } = order
  const query = podQuery({
    container,
    command,
    stdin: hasStdin,
    stdout: true,
    stderr: !hasTty,
    tty: hasTty,
  })
  const ending = new AbortController()
  const channels = await connection.channels(`${objectPath(POD, pod, 'exec')}?${query}`, PROTOCOLS, ending.signal)
  const stopInput = hasStdin ? sendInput(channels, terminal) : () => {}
  const stopTty = hasTty ? followTerminal(channels, terminal) : () => {}
  try {
    const status = await receive(channels, terminal)
    // Who ends the process next would cut off what a slow reader has not taken yet.
    await Promise.all([flushed(terminal.stdout), flushed(terminal.stderr)])
    return exitCodeOf(status)
  } finally {
    stopTty()
    stopInput()
    channels.close()
  }
}

/** @returns the `Status` at the end */
async function receive(channels: ChannelStream, { stdout, stderr }: Terminal): Promise<unknown> {
  let status: unknown
  for await (const { channel, payload } of channels.messages()) {
    if (channel === CHANNEL.error) status = parsed(payload)
    else if (channel === CHANNEL.stdout || channel === CHANNEL.stderr) {
      const to = channel === CHANNEL.stdout ? stdout : stderr
      // Waiting here holds the server back.
      if (!to.write(payload)) await flushed(to)
    }
  }
  return status
}

/** 0, or the command's own status. @throws MeshError when the server says anything else, or nothing */
function exitCodeOf(status: unknown): number {
  if (!isRecord(status))
    throw new MeshError('COMMAND_FAILED', 'the stream ended without the status of the command; it may still run')
  if (status.status === 'Success') return 0
  const causes = isRecord(status.details) && Array.isArray(status.details.causes) ? status.details.causes : []
  const cause = causes.filter(isRecord).find(({ reason }) => reason === 'ExitCode')
  const code = Number(cause?.message)
  if (Number.isInteger(code) && code > 0 && code < 256) return code
  throw new MeshError('COMMAND_FAILED', typeof status.message === 'string' ? status.message : 'the command failed')
}

/** Until the input ends or `stop` is called. @returns the latter */
function sendInput(channels: ChannelStream, { stdin }: Terminal): () => void {
  let isStopped = false
  const copy = async (): Promise<void> => {
    try {
      for await (const chunk of stdin) await channels.send(CHANNEL.stdin, Buffer.from(chunk as Uint8Array))
    } catch {
      // An input that breaks ends there, as a pipe's does.
      if (isStopped) return
    }
    // v4 cannot say it: there the command waits for more, as ending the stream would lose its output.
    await channels.end(CHANNEL.stdin)
  }
  void copy()
  return () => {
    isStopped = true
    stdin.destroy()
  }
}

/** Keys go as they are, and the other end learns how large the window is. */
function followTerminal(channels: ChannelStream, { stdin, stdout, onSignal }: Terminal): () => void {
  const resize = (): void => {
    const size = { Width: stdout.columns ?? 80, Height: stdout.rows ?? 24 }
    void channels.send(CHANNEL.resize, Buffer.from(JSON.stringify(size)))
  }
  stdin.setRawMode?.(true)
  resize()
  const stop = onSignal(['SIGWINCH'], resize)
  return () => {
    stop()
    stdin.setRawMode?.(false)
  }
}

function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString())
  } catch {
    return { status: 'Failure', message: payload.toString().slice(0, 512) }
  }
}
