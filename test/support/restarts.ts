import { once } from 'node:events'
import type { Socket } from 'node:net'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from './ca-server.ts'
import { localMeshOf } from './local-mesh.ts'
import { PodNetwork, type TestPod } from './pod-network.ts'
import { ZtunnelProcess } from './ztunnel-process.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const
const ECHO_PORT = 7
const ANSWER_TIMEOUT_MS = 10_000

/** Two captured pods and a tunnel that is exchanged for its successor again and again, as a rolling update does it. */
export class Restarts {
  readonly network: PodNetwork = new PodNetwork()
  readonly client: TestPod = this.network.pod('client')
  readonly server: TestPod = this.network.pod('server')
  /** Not of the mesh. */
  readonly outsider: TestPod = this.network.pod('outsider')
  /** Why connections failed. */
  readonly failures: string[] = []
  /** Connections that were answered. */
  answered = 0
  tunnel: ZtunnelProcess | undefined
  readonly #leaving: Promise<unknown>[] = []
  #ca: TestCaServer | undefined

  /** @param main of the tunnel; its sources by default @param certificates how long they live */
  async start(
    env: Readonly<Record<string, string>> = {},
    main?: string,
    certificates: { readonly ttlMs?: number; readonly backdateMs?: number } = {},
  ): Promise<void> {
    const pods = [this.client, this.server]
    this.#ca = await startTestCa(certificates)
    for (const pod of pods) applyRedirect(pod.netns, CAPTURE)
    for (const pod of [this.server, this.outsider]) await pod.serve(ECHO_PORT, (socket) => socket.pipe(socket))
    this.tunnel = await ZtunnelProcess.start({
      localXds: localMeshOf(pods),
      caAddress: this.#ca.address,
      caRootPem: this.#ca.rootPem,
      nodeName: 'node-a',
      pods,
      // The longer way, so that tunnels are exchanged as well.
      env: { AMBIT_SAME_NODE: 'tunnel', ...env },
      ...(main === undefined ? {} : { main }),
    })
  }

  /** Certificates that were signed for the tunnel. */
  get signed(): number {
    return this.#ca?.asked.length ?? 0
  }

  /** The next tunnel is ready before the last one is told to end. @param env what differs from the last one's */
  async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const old = this.tunnel as ZtunnelProcess
    this.tunnel = await old.successor(env)
    old.process.kill('SIGTERM')
    this.#leaving.push(old.exited)
  }

  /** Opens a new connection `perSecond` times a second, one request each, until the signal; then waits for the last. */
  async load(perSecond: number, signal: AbortSignal): Promise<void> {
    const running = new Set<Promise<void>>()
    const periodMs = 1000 / perSecond
    for (let dueMs = performance.now(); !signal.aborted; dueMs += periodMs) {
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await new Promise((later) => setTimeout(later, waitMs))
      const one = this.#ask().finally(() => running.delete(one))
      running.add(one)
    }
    await Promise.all(running)
  }

  async #ask(): Promise<void> {
    const socket = this.connect()
    try {
      await this.echo(socket, 'a')
      this.answered++
    } catch (error) {
      this.failures.push(`${new Date().toISOString()} ${(error as Error).message}`)
    } finally {
      socket.destroy()
    }
  }

  /** Opens one connection and asks once. */
  async tried(): Promise<string> {
    const { answered } = this
    await this.#ask()
    return this.answered > answered ? 'answered' : (this.failures.at(-1) ?? '')
  }

  /** From the client to the server, unless told otherwise. */
  connect(from: TestPod = this.client, to: TestPod = this.server): Socket {
    return from.connect(to.ip, ECHO_PORT).setEncoding('utf8')
  }

  /** @throws Error when it is not answered with the same */
  async echo(socket: Socket, text: string): Promise<void> {
    socket.write(text)
    const [said] = (await Promise.race([
      once(socket, 'data', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }),
      once(socket, 'close').then(() => ['closed']),
    ])) as [string]
    if (said !== text) throw new Error(said)
  }

  /** Open connections of each pod, as the tunnel shows them. */
  async dumped(): Promise<Readonly<Record<string, number>>> {
    const { workloadState } = (await (await fetch(`${this.tunnel?.adminUrl}/config_dump`)).json()) as {
      readonly workloadState: Readonly<Record<string, { readonly connections: Readonly<Record<string, unknown[]>> }>>
    }
    const count = ({ connections }: (typeof workloadState)[string]): number => Object.values(connections).flat().length
    return Object.fromEntries(Object.entries(workloadState).map(([pod, state]) => [pod, count(state)]))
  }

  async close(): Promise<void> {
    await this.tunnel?.stop('SIGKILL')
    await Promise.all(this.#leaving)
    await this.#ca?.close()
    this.network.close()
  }
}
