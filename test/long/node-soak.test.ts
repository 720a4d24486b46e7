import { once } from 'node:events'
import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseIp, resetSocket } from '#shared/net'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
import { localMeshOf, type MeshPod } from '../support/local-mesh.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { factsOf, slopeOf } from '../support/process-facts.ts'
import { ZtunnelProcess } from '../support/ztunnel-process.ts'

const MINUTES = Number(process.env.AMBIT_SOAK_MINUTES ?? 10)
const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const
/** As it is deployed. */
const BUNDLE = resolve(import.meta.dirname, '../../dist/ztunnel/main.js')
const FLAGS = ['--max-semi-space-size=1', '--single-threaded-gc', '--max-old-space-size=64']
const ECHO_PORT = 7
/** Between two exchanges of a client: a load that leaves the machine idle now and then. */
const PAUSE_MS = 20
/** Pods that stay, half of them on each node. */
const STABLE = 6
/** As many pods as can come and go: the network has 254 addresses. */
const ALL = 250
const CHURN_EVERY_MS = 3_000
const SAMPLE_EVERY_MS = 5_000
/** After which memory shall grow no more. */
const WARM_PART = 0.3

describe.runIf(requirePrivileges())('two tunnels under a mixed load, with pods that come and go', () => {
  let network: PodNetwork
  let ca: TestCaServer
  let tunnels: readonly ZtunnelProcess[]
  const stable: TestPod[] = []
  /** How exchanges ended, by kind. */
  const counts: Record<string, number> = {}
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1
  }

  beforeAll(async () => {
    network = new PodNetwork()
    ca = await startTestCa()
    const known = Array.from({ length: ALL }, (_, i): MeshPod => podNumber(i + 1))
    const common = { localXds: localMeshOf(known), caAddress: ca.address, caRootPem: ca.rootPem }
    for (let n = 1; n <= STABLE; n++) stable.push(await newPod(network, n))
    tunnels = await Promise.all(
      ['node-a', 'node-b'].map((nodeName) => {
        const pods = stable.filter((_, i) => podNumber(i + 1).node === nodeName)
        return ZtunnelProcess.start({
          ...common,
          nodeName,
          pods,
          main: BUNDLE,
          flags: FLAGS,
          env: { MALLOC_ARENA_MAX: '1' },
        })
      }),
    )
  })
  afterAll(async () => {
    for (const tunnel of tunnels) await tunnel.stop()
    await ca?.close()
    network?.close()
  })

  it(`grow no more once they are warm, and are as they were when it is over (${MINUTES} min)`, async () => {
    const baseline = tunnels.map((tunnel) => factsOf(tunnel.process.pid ?? 0))
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), MINUTES * 60_000)
    const samples = tunnels.map((): number[] => [])
    const sampling = every(SAMPLE_EVERY_MS, stop.signal, () => {
      for (const [i, tunnel] of tunnels.entries()) samples[i]?.push(factsOf(tunnel.process.pid ?? 0).residentMib)
    })
    const load = Array.from({ length: 8 }, (_, i) => loop(stop.signal, () => exchange(i)))
    const churn = comeAndGo(stop.signal)
    await Promise.all([sampling, churn, ...load])
    clearTimeout(timer)

    const slopes = samples.map(
      (all) => slopeOf(all.slice(Math.floor(all.length * WARM_PART))) * (60_000 / SAMPLE_EVERY_MS),
    )
    process.stdout.write(
      `${JSON.stringify({ counts, slopesMibPerMinute: slopes, last: samples.map((all) => all.at(-1)) })}\n`,
    )
    for (const slope of slopes) expect(slope).toBeLessThan(1)
    expect(counts.failed ?? 0).toBe(0)
    for (const [i, tunnel] of tunnels.entries()) {
      expect(tunnel.lines.filter((line) => line.includes('unhandled'))).toEqual([])
      await expect
        .poll(async () => /^istio_tcp_sockets_open\{?.*\}? (\d+)$/m.exec(await metricsOf(tunnel))?.[1], {
          timeout: 20_000,
        })
        .toBe('0')
      // Tunnels between the stable pods are kept in the pool.
      const kept = STABLE * STABLE * 2
      await expect
        .poll(() => factsOf(tunnel.process.pid ?? 0).descriptors, { timeout: 20_000 })
        .toBeLessThan((baseline[i]?.descriptors ?? 0) + kept)
    }
  })

  /** One exchange of stable pods, of a kind by chance. */
  const exchange = async (worker: number): Promise<void> => {
    const from = stable[worker % STABLE] as TestPod
    const to = stable[Math.floor(Math.random() * STABLE)] as TestPod
    const socket = from.connect(Math.random() < 0.5 ? to.ip : to.ip6, ECHO_PORT)
    socket.on('error', () => {})
    const kind = Math.random()
    try {
      if (kind < 0.5) await answered(socket, 1, 20)
      else if (kind < 0.8) await answered(socket, 50, 1_000)
      else if (kind < 0.9) await answered(socket, 4, 2_000_000)
      else {
        socket.write('gone')
        await once(socket, 'connect')
        resetSocket(socket)
        count('reset')
        return
      }
      count('answered')
    } catch {
      count('failed')
    } finally {
      socket.destroy()
    }
  }

  /** Adds a pod, speaks with it while it goes, and removes it. */
  const comeAndGo = async (signal: AbortSignal): Promise<void> => {
    for (let n = STABLE + 1; n <= ALL && !signal.aborted; n++) {
      const pod = await newPod(network, n)
      const { node, name } = podNumber(n)
      const tunnel = tunnels[node === 'node-a' ? 0 : 1] as ZtunnelProcess
      await tunnel.agent.add({
        uid: name,
        info: { name, namespace: 'default', serviceAccount: name },
        netns: pod.netns,
      })
      const socket = pod.connect((stable[n % STABLE] as TestPod).ip, ECHO_PORT)
      socket.on('error', () => {})
      await answered(socket, 3, 100).then(
        () => count('from a new pod'),
        () => count('failed'),
      )
      await new Promise((later) => setTimeout(later, CHURN_EVERY_MS))
      await tunnel.agent.delete(name)
      socket.destroy()
      pod.remove()
    }
  }
})

function podNumber(n: number): MeshPod & { readonly node: string } {
  const [ip, ip6] = [parseIp(`10.77.0.${n}`), parseIp(`fd77::${n.toString(16)}`)]
  if (ip === undefined || ip6 === undefined) throw new Error(`no pod ${n}`)
  return { name: `pod-${n}`, ip, ip6, node: n % 2 === 0 ? 'node-a' : 'node-b' }
}

async function newPod(network: PodNetwork, n: number): Promise<TestPod> {
  const pod = network.pod(podNumber(n).name)
  applyRedirect(pod.netns, CAPTURE)
  await pod.serve(ECHO_PORT, (socket) => socket.pipe(socket))
  return pod
}

/** Says something and waits until all of it has come back, so often. @throws Error when the connection ends before */
async function answered(socket: Socket, times: number, bytes: number): Promise<void> {
  const said = Buffer.alloc(bytes, 'x')
  const ended = once(socket, 'close').then(() => Promise.reject(new Error('closed')))
  ended.catch(() => {})
  for (let i = 0; i < times; i++) {
    let received = 0
    const whole = new Promise<void>((resolve) => {
      const take = (part: Buffer): void => {
        received += part.length
        if (received < bytes) return
        socket.off('data', take)
        resolve()
      }
      socket.on('data', take)
    })
    socket.write(said)
    await Promise.race([whole, ended])
  }
}

async function loop(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work()
    await new Promise((later) => setTimeout(later, PAUSE_MS))
  }
}

async function every(periodMs: number, signal: AbortSignal, work: () => void): Promise<void> {
  while (!signal.aborted) {
    work()
    await new Promise((later) => setTimeout(later, periodMs))
  }
}

async function metricsOf(tunnel: ZtunnelProcess): Promise<string> {
  return (await fetch(tunnel.metricsUrl)).text()
}
