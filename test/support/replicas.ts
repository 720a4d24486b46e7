import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { sleep, systemClock } from '#shared/clock'
import { IstiodPlace, MeshMirror } from './istiod.ts'
import { podYaml } from './mesh-objects.ts'

const MAIN = resolve(import.meta.dirname, '../../src/istiod-lite/main.ts')
const CLIENTS = 3
const STABLE = Array.from({ length: 20 }, (_, i) => `stable-${i}`)
/** Pods that are there at a time; each change brings one and takes the oldest. */
const PASSING = 5

export interface KilledReplicas {
  readonly kills: number
  readonly changes: number
  /** What each client holds in the end, and what it should. */
  readonly held: readonly (readonly string[])[]
  readonly expected: readonly string[]
  /** Times that a pod which never changed was sent to a client that had it. */
  readonly resent: number
}

/** Two control planes behind one address, of which one after the other is killed and started again while pods change. */
export async function killReplicas(kills: number, everyMs: number): Promise<KilledReplicas> {
  const place = await IstiodPlace.make()
  place.write('stable.yaml', STABLE.map((name, i) => podYaml(name, `10.0.1.${i + 1}`)).join(''))
  const replicas = [await Replica.start(place), await Replica.start(place)]
  const balancer = await Balancer.start(replicas)
  const mirrors: MeshMirror[] = []
  let changes = 0
  const write = (): void => {
    changes++
    const pods = Array.from({ length: Math.min(PASSING, changes) }, (_, i) => changes - i)
    place.write('passing.yaml', pods.map((i) => podYaml(`passing-${i}`, `10.0.${2 + (i >> 8)}.${i & 255}`)).join(''))
  }
  try {
    for (let i = 0; i < CLIENTS; i++) {
      const token = await place.issuer.token()
      mirrors.push(new MeshMirror(place.endpoint(balancer.port, token), { node: `node-${i}` }))
    }
    await Promise.all(mirrors.map(({ client }) => client.synced))
    for (const mirror of mirrors) mirror.responses.length = 0
    const churn = new AbortController()
    const churning = (async () => {
      while (!churn.signal.aborted) {
        write()
        await sleep(systemClock, 100)
      }
    })()
    for (let i = 0; i < kills; i++) {
      await sleep(systemClock, everyMs)
      await replicas[i % replicas.length]?.killAndStart()
    }
    churn.abort()
    await churning
    const newest = `Kubernetes//Pod/shop/passing-${changes}`
    const oldest = `Kubernetes//Pod/shop/passing-${changes - PASSING}`
    await Promise.all(
      mirrors.map((mirror) => mirror.until(() => mirror.addresses.has(newest) && !mirror.addresses.has(oldest))),
    )
    const passing = Array.from({ length: PASSING }, (_, i) => `passing-${changes - i}`)
    return {
      kills,
      changes,
      held: mirrors.map(({ names }) => names),
      expected: [...STABLE, ...passing].map((name) => `Kubernetes//Pod/shop/${name}`).sort(),
      resent: mirrors.flatMap(({ responses }) => responses.flat()).filter((each) => each.includes('/stable-')).length,
    }
  } finally {
    await Promise.all(mirrors.map(({ client }) => client.close()))
    await balancer.close()
    for (const replica of replicas) await replica.kill()
    await place.end()
  }
}

class Replica {
  readonly #place: IstiodPlace
  #process: ChildProcess | undefined
  /** Undefined while it does not serve. */
  port: number | undefined

  static async start(place: IstiodPlace): Promise<Replica> {
    const replica = new Replica(place)
    await replica.#start()
    return replica
  }

  private constructor(place: IstiodPlace) {
    this.#place = place
  }

  async kill(): Promise<void> {
    this.port = undefined
    const running = this.#process
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    running.kill('SIGKILL')
    await once(running, 'exit')
  }

  async killAndStart(): Promise<void> {
    await this.kill()
    await this.#start()
  }

  async #start(): Promise<void> {
    const child = spawn(process.execPath, ['--conditions=source', MAIN], { env: this.#place.env })
    this.#process = child
    for await (const line of createInterface({ input: child.stdout })) {
      const [, port] = /serving.*\bgrpc=(\d+)/.exec(line) ?? []
      if (port === undefined) continue
      this.port = Number(port)
      break
    }
    child.stdout.resume()
    child.stderr.resume()
  }
}

/** One address for all replicas: a connection goes to one that serves, the next one to the next. */
class Balancer {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(replicas: readonly Replica[]): Promise<Balancer> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Balancer(replicas, server)
  }

  private constructor(replicas: readonly Replica[], server: Server) {
    let turn = 0
    this.#server = server
    server.on('connection', (client) => {
      const ports = replicas.flatMap(({ port }) => port ?? [])
      const port = ports[turn++ % Math.max(1, ports.length)]
      if (port === undefined) {
        client.destroy()
        return
      }
      const replica = connect({ host: '127.0.0.1', port })
      for (const [from, to] of [
        [client, replica],
        [replica, client],
      ] as const) {
        this.#sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
      }
    })
    this.port = (server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
