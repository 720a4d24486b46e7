import { EventEmitter } from 'node:events'
import { tmpdir } from 'node:os'
import { PassThrough, Readable } from 'node:stream'
import { runAmbit } from '../../src/cli/ambit.ts'
import type { Terminal } from '../../src/cli/print/index.ts'

export interface AmbitRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface AmbitSettings {
  /** KUBECONFIG of the command. */
  readonly kubeconfig?: string
  readonly home?: string
  readonly cwd?: string
  /** Where kubectl would be looked for. */
  readonly path?: string
  readonly input?: string
  /** Size of the terminal that the command has; undefined: it has none. */
  readonly tty?: { readonly columns: number; readonly rows: number }
}

/** A command that runs in this process, and can be watched and sent signals. */
export class RunningAmbit {
  readonly ended: Promise<AmbitRun>
  readonly #signals = new EventEmitter()
  readonly #outputs = { stdout: '', stderr: '' }
  /** Each time the terminal was made raw, or not. */
  readonly rawModes: boolean[] = []

  constructor(args: readonly string[], settings: AmbitSettings = {}) {
    const { kubeconfig = '', home = '', cwd = tmpdir(), path = '', input = '', tty } = settings
    const signals = this.#signals
    const terminal: Terminal = {
      stdin: Object.assign(Readable.from(input === '' ? [] : [Buffer.from(input)]), {
        isTTY: tty !== undefined,
        setRawMode: (isRaw: boolean) => this.rawModes.push(isRaw),
      }),
      stdout: Object.assign(this.#collect('stdout'), tty),
      stderr: this.#collect('stderr'),
      cwd,
      exitCode: 0,
      onSignal(names, listener) {
        for (const name of names) signals.on(name, listener)
        return () => {
          for (const name of names) signals.removeListener(name, listener)
        }
      },
    }
    const places = { distDir: '/nowhere', demoDir: '/nowhere', command: 'ambit', logFilter: 'info' }
    const cluster = { kubeconfig, home, clusterHost: '', clusterPort: '' }
    this.ended = runAmbit(args, { ...places, ...cluster, path, terminal }).then(() => ({
      code: terminal.exitCode,
      ...this.#outputs,
    }))
  }

  get stdout(): string {
    return this.#outputs.stdout
  }

  get stderr(): string {
    return this.#outputs.stderr
  }

  /** As from a terminal or another process. */
  signal(name: NodeJS.Signals): void {
    this.#signals.emit(name, name)
  }

  #collect(name: 'stdout' | 'stderr'): PassThrough {
    const stream = new PassThrough()
    stream.setEncoding('utf8').on('data', (text: string) => {
      this.#outputs[name] += text
    })
    return stream
  }
}

/** Runs a command to its end. */
export function ambit(args: readonly string[], settings: AmbitSettings = {}): Promise<AmbitRun> {
  return new RunningAmbit(args, settings).ended
}
