import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from '#shared/clock'
import { serveZds, type ZdsServer } from '#shared/zds'
import { freePorts } from './free-ports.ts'
import type { TestPod } from './pod-network.ts'
import { quietLogger } from './quiet-logger.ts'

const MAIN = resolve(import.meta.dirname, '../../src/ztunnel/main.ts')

export interface ZtunnelProcessSettings {
  readonly nodeName: string
  /** The mesh, as `LOCAL_XDS_PATH` takes it. */
  readonly localXds: string
  readonly caAddress: string
  readonly caRootPem: string
  readonly pods: readonly TestPod[]
  readonly serviceAccount?: string
  readonly namespace?: string
  readonly env?: Readonly<Record<string, string>>
  /** Another program that takes Istio's settings, in place of ours; its readiness port is always 15021. */
  readonly program?: string
  /** Its main file; the sources by default. */
  readonly main?: string
  /** Of Node. */
  readonly flags?: readonly string[]
}

/** What Istio's ztunnel listens on, with no setting for it. */
const FIXED_READINESS_PORT = 15_021

/** A tunnel as its own process, and the node agent that gives it pods, played by this one. */
export class ZtunnelProcess {
  readonly process: ChildProcess
  agent: ZdsServer
  /** Every line of its log, and those who wait for one. */
  readonly lines: string[] = []
  readonly #settings: ZtunnelProcessSettings
  readonly #ports: readonly number[]
  readonly #folder: string
  readonly #serveAgent: () => ZdsServer
  #watchers: (() => void)[] = []
  #accessLinesRead = 0
  readonly exited: Promise<number | null>

  private constructor(settings: ZtunnelProcessSettings, ports: readonly number[], home: Home) {
    const process = spawnTunnel(settings, ports, home.folder)
    this.process = process
    this.agent = home.agent
    this.#settings = settings
    this.#serveAgent = home.serveAgent
    this.#ports = ports
    this.#folder = home.folder
    this.exited = new Promise((resolveExit) => process.on('exit', resolveExit))
    for (const stream of [process.stdout, process.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line)
        for (const watch of this.#watchers.splice(0)) watch()
      })
    }
  }

  /** Resolves when it is ready: it serves every pod. */
  static async start(settings: ZtunnelProcessSettings): Promise<ZtunnelProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'ambit-ztunnel-'))
    const path = join(folder, 'zds.sock')
    writeFileSync(join(folder, 'mesh.yaml'), settings.localXds)
    writeFileSync(join(folder, 'root.pem'), settings.caRootPem)
    const { namespace = 'default' } = settings
    const serveAgent = (): ZdsServer =>
      serveZds({
        path,
        clock: systemClock,
        logger: quietLogger,
        pods: settings.pods.map((pod) => ({
          uid: pod.name,
          info: { name: pod.name, namespace, serviceAccount: settings.serviceAccount ?? pod.name },
          netns: pod.netns,
        })),
      })
    const home = { folder, agent: serveAgent(), serveAgent }
    return ZtunnelProcess.#started(settings, home)
  }

  static async #started(settings: ZtunnelProcessSettings, home: Home): Promise<ZtunnelProcess> {
    const ports = await freePorts(3)
    if (settings.program !== undefined) ports[2] = FIXED_READINESS_PORT
    const started = new ZtunnelProcess(settings, ports, home)
    await started.untilReady()
    return started
  }

  /**
   * Another tunnel beside this one, with the same agent; resolves when it is ready. End this one by its process.
   *
   * @param env what differs from this one's
   */
  successor(env: Readonly<Record<string, string>> = {}): Promise<ZtunnelProcess> {
    const { agent } = this
    const settings = { ...this.#settings, env: { ...this.#settings.env, ...env } }
    return ZtunnelProcess.#started(settings, { folder: this.#folder, agent, serveAgent: this.#serveAgent })
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.#ports[0]}`
  }

  get metricsUrl(): string {
    return `http://127.0.0.1:${this.#ports[1]}/metrics`
  }

  get readinessUrl(): string {
    return `http://127.0.0.1:${this.#ports[2]}/healthz/ready`
  }

  /** Resolves when a line that holds `text` has been printed. */
  async line(text: string): Promise<void> {
    while (!this.lines.some((line) => line.includes(text))) await this.#nextLine()
  }

  /** The agent ends and comes back with the same pods. */
  async restartAgent(): Promise<void> {
    await this.agent.close()
    await this.line('node agent is gone')
    this.agent = this.#serveAgent()
  }

  #nextLine(): Promise<void> {
    return new Promise((resolveLine) => this.#watchers.push(resolveLine))
  }

  /** The access lines one after the other, without time stamps, ports that the kernel chose, and durations. */
  async nextAccessLine(): Promise<string> {
    const isAccess = (line: string): boolean => line.split('\t')[2] === 'access'
    const n = this.#accessLinesRead++
    const seen = this.lines.filter(isAccess)
    for (let line = seen[n]; ; line = this.lines.filter(isAccess)[n]) {
      if (line !== undefined) return withoutChance(line)
      await this.#nextLine()
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal)
    await this.exited
    await this.agent.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async untilReady(): Promise<void> {
    for (let i = 0; i < 500; i++) {
      if (this.process.exitCode !== null) throw new Error(`the tunnel ended:\n${this.lines.join('\n')}`)
      const answer = await fetch(this.readinessUrl).catch(() => undefined)
      if (answer?.status === 200) return
      await new Promise((resolveLater) => setTimeout(resolveLater, 20))
    }
    throw new Error(`the tunnel is not ready:\n${this.lines.join('\n')}`)
  }
}

/** What one tunnel after the other shares. */
interface Home {
  readonly folder: string
  readonly agent: ZdsServer
  readonly serveAgent: () => ZdsServer
}

function spawnTunnel(settings: ZtunnelProcessSettings, ports: readonly number[], folder: string): ChildProcess {
  const [admin, stats, readiness] = ports.map(String)
  const { program, flags = [], main = MAIN } = settings
  const [command, args] =
    program === undefined ? [process.execPath, [...flags, '--conditions=source', main]] : [program, []]
  return spawn(command, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      NODE_NAME: settings.nodeName,
      LOCAL_XDS_PATH: join(folder, 'mesh.yaml'),
      XDS_ADDRESS: '',
      CA_ADDRESS: settings.caAddress,
      CA_ROOT_CA: join(folder, 'root.pem'),
      INPOD_UDS: join(folder, 'zds.sock'),
      PROXY_CONFIG: JSON.stringify({ proxyAdminPort: ports[0], statsPort: ports[1] }),
      // Asked for by the tests of names only.
      ISTIO_META_DNS_CAPTURE: 'false',
      AMBIT_ADMIN_PORT: admin,
      AMBIT_STATS_PORT: stats,
      AMBIT_READINESS_PORT: readiness,
      ...settings.env,
    },
  })
}

/** Drops the time stamp, ephemeral ports of sources, and durations. */
export function withoutChance(line: string): string {
  return line
    .replace(/^[^\t]*\t/, '')
    .replace(/src\.addr=(\S+):\d+/, 'src.addr=$1:*')
    .replace(/duration="\d+ms"/, 'duration=*')
}
