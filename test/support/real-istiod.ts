import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from '#shared/clock'
import { freePorts } from './free-ports.ts'

/** Where the environment says that a program of Istio lies; undefined, told in one line, when it does not. */
export function istioProgram(variable: 'AMBIT_ISTIOD' | 'AMBIT_ISTIOCTL'): string | undefined {
  const path = process.env[variable]
  if (path !== undefined && existsSync(path)) return path
  const what = variable === 'AMBIT_ISTIOD' ? 'an istiod (pilot-discovery)' : 'an istioctl'
  const why = path === undefined ? 'is not set' : `names ${path}, which does not exist`
  console.warn(`SKIPPED: tests against Istio's own programs: set ${variable} to the path of ${what}; it ${why}`)
  return undefined
}

export interface RealIstiodSettings {
  readonly binary: string
  readonly kubeconfig: string
  readonly env?: Readonly<Record<string, string>>
  /** Command and arguments in front of it, such as nsenter. */
  readonly within?: readonly string[]
  /** Free ones of this machine by default: xDS plain, xDS TLS, HTTP, webhooks, monitoring. */
  readonly ports?: readonly number[]
}

const READY_MS = 60_000
const STOP_MS = 15_000

/** Istio's own control plane as a process. It keeps its key in the API, so that a second one has the same root. */
export class RealIstiod {
  readonly lines: string[] = []
  readonly ports: { readonly tls: number; readonly http: number; readonly monitoring: number }
  readonly #process: ChildProcess
  readonly #dir: string
  readonly #exited: Promise<void>
  readonly #waiting = new Set<() => void>()

  private constructor(settings: RealIstiodSettings, ports: readonly number[]) {
    const [plain = 0, tls = 0, http = 0, webhooks = 0, monitoring = 0] = ports
    this.ports = { tls, http, monitoring }
    this.#dir = mkdtempSync(join(tmpdir(), 'ambit-real-istiod-'))
    const mesh = join(this.#dir, 'mesh.yaml')
    writeFileSync(mesh, 'rootNamespace: istio-system\ntrustDomain: cluster.local\n')
    const args = [
      'discovery',
      `--kubeconfig=${settings.kubeconfig}`,
      `--meshConfig=${mesh}`,
      `--grpcAddr=:${plain}`,
      `--secureGRPCAddr=:${tls}`,
      `--httpAddr=:${http}`,
      `--httpsAddr=:${webhooks}`,
      `--monitoringAddr=:${monitoring}`,
      '--ctrlz_port=0',
      '--keepaliveMaxServerConnectionAge=24h',
    ]
    const [command = settings.binary, ...rest] = [...(settings.within ?? []), 'nice', settings.binary, ...args]
    this.#process = spawn(command, rest, {
      cwd: this.#dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: this.#dir,
        GOMAXPROCS: '1',
        PILOT_ENABLE_AMBIENT: 'true',
        CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
        CLUSTER_ID: 'Kubernetes',
        PILOT_DEBOUNCE_AFTER: '20ms',
        POD_NAMESPACE: 'istio-system',
        POD_NAME: 'istiod-of-the-test',
        ...settings.env,
      },
    })
    this.#exited = new Promise((resolve) => this.#process.once('close', () => resolve()))
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line)
        for (const look of [...this.#waiting]) look()
      })
    }
  }

  /** Resolves when it says that it is ready. @throws Error with the end of its log when it does not become so */
  static async start(settings: RealIstiodSettings): Promise<RealIstiod> {
    const istiod = new RealIstiod(settings, settings.ports ?? (await freePorts(5)))
    try {
      await istiod.until((lines) => lines.some((line) => line.includes('starting secure gRPC discovery service')))
      return istiod
    } catch (error) {
      await istiod.stop()
      throw error
    }
  }

  /** Resolves once its log is as wanted. */
  until(isWanted: (lines: readonly string[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiting.delete(look)
        timer.cancel()
        settle()
      }
      const look = (): void => {
        if (isWanted(this.lines)) end(resolve)
      }
      const timer = systemClock.setTimer(READY_MS, () =>
        end(() => reject(new Error(`istiod did not come so far:\n${this.lines.slice(-20).join('\n')}`))),
      )
      this.#waiting.add(look)
      void this.#exited.then(() => end(() => reject(new Error(`istiod ended:\n${this.lines.slice(-20).join('\n')}`))))
      look()
    })
  }

  /** What it complained about. */
  get complaints(): readonly string[] {
    return this.lines.filter((line) => /\t(warn|error|fatal)\t/.test(line))
  }

  async stop(): Promise<void> {
    const hard = systemClock.setTimer(STOP_MS, () => this.#process.kill('SIGKILL'))
    this.#process.kill('SIGTERM')
    await this.#exited
    hard.cancel()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
