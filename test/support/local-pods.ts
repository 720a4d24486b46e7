import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { constants } from 'node:os'
import { PassThrough, Readable } from 'node:stream'
import { ApiError, type ExecSession, type LogRequest, type PodBackend } from '../../src/local/apiserver/index.ts'

/** Pods whose containers are this machine: commands run as they are, ports are loopback's, logs are what a test writes. */
export class LocalPods implements PodBackend {
  readonly #lines: { readonly text: string; readonly atMs: number }[] = []
  readonly #followers = new Set<PassThrough>()
  readonly requests: LogRequest[] = []
  /** Sizes that terminals were given. */
  readonly sizes: string[] = []
  killed = 0
  /** Commands that have not ended. */
  running = 0

  async exec(_pod: unknown, { command, hasStdin }: Parameters<PodBackend['exec']>[1]): Promise<ExecSession> {
    const [file = '', ...args] = command
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    try {
      await once(child, 'spawn')
    } catch (error) {
      throw new ApiError('InternalError', `cannot run ${file}: ${(error as Error).message}`)
    }
    this.running++
    child.on('close', () => void this.running--)
    if (!hasStdin) child.stdin.end()
    return {
      stdin: hasStdin ? child.stdin : undefined,
      stdout: child.stdout,
      stderr: child.stderr,
      resize: (columns, rows) => void this.sizes.push(`${columns}x${rows}`),
      exitCode: once(child, 'close').then(([code, signal]) =>
        typeof code === 'number' ? code : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0),
      ),
      kill: () => {
        this.killed++
        child.kill('SIGKILL')
      },
    }
  }

  attach(pod: unknown, request: Parameters<PodBackend['attach']>[1]): Promise<ExecSession> {
    return this.exec(pod, { ...request, command: ['cat'] })
  }

  async logs(_pod: unknown, request: LogRequest, signal: AbortSignal): Promise<Readable> {
    this.requests.push(request)
    const { tailLines, timestamps, follow } = request
    const shown = tailLines === undefined ? this.#lines : this.#lines.slice(this.#lines.length - tailLines)
    const text = shown
      .map((line) => `${timestamps ? `${new Date(line.atMs).toISOString()} ` : ''}${line.text}\n`)
      .join('')
    if (!follow) return Readable.from(text === '' ? [] : [Buffer.from(text)])
    const stream = new PassThrough()
    stream.write(text)
    this.#followers.add(stream)
    signal.addEventListener('abort', () => {
      this.#followers.delete(stream)
      stream.destroy()
    })
    return stream
  }

  get followers(): number {
    return this.#followers.size
  }

  write(text: string, atMs = 0): void {
    this.#lines.push({ text, atMs })
    for (const follower of this.#followers) follower.write(`${text}\n`)
  }

  /** As a container that ends: who follows sees the end. */
  endLogs(): void {
    for (const follower of this.#followers) follower.end()
  }

  async portForward(_pod: unknown, port: number): ReturnType<PodBackend['portForward']> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }
}
