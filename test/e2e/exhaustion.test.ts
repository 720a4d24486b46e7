import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { setNetSysctl } from '#shared/sys'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
import { localMeshOf } from '../support/local-mesh.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { factsOf } from '../support/process-facts.ts'
import { until } from '../support/tunnel-ends.ts'
import { ZtunnelProcess } from '../support/ztunnel-process.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const
const ECHO_PORT = 7
const HBONE_PORT = 15_008
const FLOOD_PORT = 8
/** Of 300 readers that take nothing: both ends' windows and queues, which share one connection each way. */
const SLOW_READERS_MIB = 160
/** Of the kernel's clock in /proc/PID/stat. */
const MS_PER_TICK = 10
/** The beginning of a ClientHello. */
const HALF_HELLO = Buffer.from('1603010200010001fc0303', 'hex')

describe.runIf(requirePrivileges())('a tunnel that runs out of something', () => {
  let network: PodNetwork
  let ca: TestCaServer
  let tunnel: ZtunnelProcess
  let client: TestPod
  let server: TestPod
  let outsider: TestPod
  const open: Socket[] = []

  beforeEach(async () => {
    network = new PodNetwork()
    client = network.pod('client')
    server = network.pod('server')
    outsider = network.pod('outsider')
    ca = await startTestCa()
    const pods = [client, server]
    for (const pod of pods) applyRedirect(pod.netns, CAPTURE)
    await server.serve(ECHO_PORT, (socket) => socket.pipe(socket))
    tunnel = await ZtunnelProcess.start({
      localXds: localMeshOf(pods),
      caAddress: ca.address,
      caRootPem: ca.rootPem,
      nodeName: 'node-a',
      pods,
      // Two processes would answer in this one's place, and pods of one node would not need a tunnel.
      env: { ZTUNNEL_WORKER_THREADS: '1', AMBIT_SAME_NODE: 'tunnel' },
    })
  })
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy()
    await tunnel?.stop('SIGKILL')
    await ca?.close()
    network?.close()
  })

  const pid = (): number => tunnel.process.pid ?? expect.unreachable()

  const dial = (from: TestPod, port = ECHO_PORT): Socket => {
    const socket = from.connect(server.ip, port)
    socket.on('error', () => {})
    // Such sockets may stay half-open.
    socket.on('end', () => socket.destroy())
    open.push(socket)
    return socket
  }

  /** Whether a byte comes back on a new connection. */
  const isServed = async (): Promise<boolean> => {
    const socket = dial(client)
    socket.write('a')
    const answered = once(socket, 'data').then(() => true)
    const isAnswered = await Promise.race([answered, once(socket, 'close').then(() => false)]).catch(() => false)
    answered.catch(() => {})
    socket.resetAndDestroy()
    return isAnswered
  }

  const untilServed = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      if (await isServed()) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('new connections are not served any more')
  }

  const cpuMs = (): number => {
    const fields = readFileSync(`/proc/${pid()}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
  }

  it('of descriptors, keeps what it has, refuses the rest aloud without spinning, and serves when they are back', async () => {
    expect(await isServed()).toBe(true)
    const kept = Array.from({ length: 5 }, () => client.connect(server.ip, ECHO_PORT).setEncoding('utf8'))
    const echo = async (text: string): Promise<void> => {
      for (const socket of kept) {
        socket.write(text)
        expect(await once(socket, 'data')).toEqual([text])
      }
    }
    await echo('before')
    const limit = factsOf(pid()).descriptors + 24
    execFileSync('prlimit', ['--pid', String(pid()), `--nofile=${limit}:`])
    let closed = 0
    for (let i = 0; i < 200; i++) {
      const socket = dial(client)
      socket.resume()
      socket.on('close', () => closed++)
      socket.write('a')
    }
    await until(() => closed > 100)
    const before = cpuMs()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(cpuMs() - before).toBeLessThan(500)
    await echo('while there are none')
    expect(tunnel.lines.some((line) => line.includes('\terror\taccess\t') && line.includes('EMFILE'))).toBe(true)
    for (const socket of open.splice(0)) socket.resetAndDestroy()
    await untilServed()
    await echo('after')
    for (const socket of kept) socket.destroy()
    expect(factsOf(pid()).descriptors).toBeLessThanOrEqual(limit)
    expect(tunnel.lines.filter((line) => line.includes('unhandled'))).toEqual([])
  })

  it('of ports to an application, refuses what is too much, and serves when they are back', async () => {
    setNetSysctl(server.netns, 'ipv4/ip_local_port_range', '40000 40007')
    let closed = 0
    let served = 0
    for (let i = 0; i < 40; i++) {
      const socket = dial(client)
      socket.once('data', () => served++)
      socket.on('close', () => closed++)
      socket.write('a')
    }
    await until(() => closed + served === 40)
    expect(served).toBeGreaterThan(0)
    expect(closed).toBeGreaterThan(0)
    for (const socket of open.splice(0)) socket.resetAndDestroy()
    // What ended waits in the kernel for a minute, on its port.
    setNetSysctl(server.netns, 'ipv4/ip_local_port_range', '32768 60999')
    await untilServed()
  })

  it('of patience with 3,000 half-made hand-shakes, keeps its memory and serves others meanwhile', async () => {
    expect(await isServed()).toBe(true)
    const before = factsOf(pid()).residentMib
    let closed = 0
    for (let begun = 1; begun <= 3000; begun++) {
      const socket = dial(outsider, HBONE_PORT)
      socket.resume()
      socket.on('close', () => closed++)
      socket.write(HALF_HELLO)
      // All are closed but those that one address may have at once. In waves, for a full queue drops SYNs.
      if (begun % 500 === 0) await until(() => closed >= begun - 256)
    }
    const startedMs = performance.now()
    expect(await isServed()).toBe(true)
    expect(performance.now() - startedMs).toBeLessThan(2_000)
    expect(factsOf(pid()).residentMib - before).toBeLessThan(64)
  })

  it('of readers that are slow, keeps what it holds for 300 of them within its windows, and serves others meanwhile', async () => {
    const chunk = Buffer.alloc(64 * 1024)
    // As much as anybody takes.
    await server.serve(FLOOD_PORT, (socket) => {
      const fill = (): void => {
        while (!socket.destroyed && socket.write(chunk)) {}
      }
      socket.on('drain', fill)
      socket.on('error', () => {})
      fill()
    })
    expect(await isServed()).toBe(true)
    const before = factsOf(pid())
    for (let i = 0; i < 300; i++) dial(client, FLOOD_PORT).pause()
    await until(() => server.connectionsTo(FLOOD_PORT) === 300)
    const grown: number[] = []
    for (let i = 0; i < 4; i++) {
      const startedMs = performance.now()
      expect(await isServed()).toBe(true)
      expect(performance.now() - startedMs).toBeLessThan(2_000)
      await new Promise((resolve) => setTimeout(resolve, 500))
      grown.push(factsOf(pid()).residentMib - before.residentMib)
    }
    expect(Math.max(...grown)).toBeLessThan(SLOW_READERS_MIB)
    for (const socket of open.splice(0)) socket.resetAndDestroy()
    await untilServed()
    await expect.poll(() => factsOf(pid()).descriptors, { timeout: 10_000 }).toBeLessThan(before.descriptors + 30)
  })

  it('of a pod, ends the hand-shakes into it at once, and serves the pod again when it comes back', async () => {
    let closed = 0
    for (let i = 0; i < 200; i++) {
      const socket = dial(outsider, HBONE_PORT)
      socket.resume()
      socket.on('close', () => closed++)
      socket.write(HALF_HELLO)
    }
    await until(() => open.every((socket) => socket.readyState === 'open'))
    expect(closed).toBe(0)
    await tunnel.agent.delete('server')
    await until(() => closed === 200)
    const info = { name: 'server', namespace: 'default', serviceAccount: 'server' }
    await tunnel.agent.add({ uid: 'server', info, netns: server.netns })
    await untilServed()
  })
})
