import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { Restarts } from '../support/restarts.ts'
import type { ZtunnelProcess } from '../support/ztunnel-process.ts'

/** As it is deployed: a bundle starts faster than sources. */
const BUNDLE = resolve(import.meta.dirname, '../../dist/ztunnel/main.js')

interface Dump {
  readonly workloadState: Readonly<
    Record<string, { readonly state: string; readonly connections: { inbound: unknown[]; outbound: unknown[] } }>
  >
  readonly certificates: readonly { readonly identity: string; readonly state: string }[]
}

describe.runIf(requirePrivileges())('a tunnel of several workers', () => {
  let mesh: Restarts

  const dumped = async (): Promise<Dump> =>
    (await (await fetch(`${tunnel().adminUrl}/config_dump`)).json()) as unknown as Dump
  const tunnel = (): ZtunnelProcess => mesh.tunnel as ZtunnelProcess
  const workerPids = (): number[] =>
    tunnel()
      .lines.filter((line) => line.includes('worker started'))
      .map((line) => Number(/pid=(\d+)/.exec(line)?.[1]))

  beforeEach(async () => {
    mesh = new Restarts()
    await mesh.start({ ZTUNNEL_WORKER_THREADS: '2' }, BUNDLE)
  })
  afterEach(() => mesh.close())

  it('gives each pod to one worker and shows them, their connections and numbers as one tunnel would', async () => {
    const socket = mesh.connect()
    await mesh.echo(socket, 'a')
    const { workloadState, certificates } = await dumped()
    expect(Object.entries(workloadState).map(([uid, { state }]) => [uid, state])).toEqual([
      ['client', 'Up'],
      ['server', 'Up'],
    ])
    expect(workloadState.client?.connections.outbound).toHaveLength(1)
    expect(workloadState.server?.connections.inbound).toHaveLength(1)
    expect(certificates.map(({ identity, state }) => [identity, state])).toEqual([
      ['spiffe://cluster.local/ns/default/sa/client', 'Available'],
      ['spiffe://cluster.local/ns/default/sa/server', 'Available'],
    ])
    socket.end()
    await tunnel().line('direction="inbound"')
    const text = await (await fetch(tunnel().metricsUrl)).text()
    expect(text.match(/^istio_tcp_connections_opened_total\{/gm)).toHaveLength(2)
    expect(text).toMatch(/^istio_build\{component="ztunnel",tag="unknown"\} 1$/m)
    expect(text).toMatch(/^workload_manager_active_proxy_count 2$/m)
    expect(text.endsWith('# EOF\n')).toBe(true)
    expect(new Set(workerPids()).size).toBe(2)
  })

  it('serves the pods of a worker that was killed again within a second, and keeps what it had counted', async () => {
    await mesh.echo(mesh.connect(), 'a')
    await fetch(tunnel().metricsUrl).then((answer) => answer.text())
    for (const pid of workerPids()) {
      const killedMs = performance.now()
      process.kill(pid, 'SIGKILL')
      await expect.poll(() => mesh.tried(), { timeout: 5_000, interval: 10 }).toBe('answered')
      expect(performance.now() - killedMs).toBeLessThan(1_000)
    }
    await tunnel().untilReady()
    const text = await (await fetch(tunnel().metricsUrl)).text()
    const opened = [...text.matchAll(/^istio_tcp_connections_opened_total\{reporter="source".* (\d+)$/gm)]
    expect(opened.map(([, count]) => Number(count)).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(2)
  })

  it('passes log levels on, drains with its workers, and leaves none of them behind', async () => {
    await fetch(`${tunnel().adminUrl}/logging?level=debug`, { method: 'POST' })
    const socket = mesh.connect()
    await mesh.echo(socket, 'a')
    await tunnel().line('connection opened')
    tunnel().process.kill('SIGTERM')
    await tunnel().line('draining')
    await mesh.echo(socket, 'still here')
    socket.destroy()
    expect(await tunnel().exited).toBe(0)
    expect(workerPids().filter(isRunning)).toEqual([])
  })

  it('ends its workers when the supervisor is killed', async () => {
    tunnel().process.kill('SIGKILL')
    await tunnel().exited
    for (const pid of workerPids()) await expect.poll(() => isRunning(pid)).toBe(false)
    expect(tunnel().lines.filter((line) => line.includes('unhandled'))).toEqual([])
  })
})

/** A process that has ended may wait for a parent to take its status. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
