/** A waypoint of several processes: one port, one page of numbers, and nobody is missed for long. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { countBy, echoDeployment, echoService, WaypointMesh } from '../support/waypoint-mesh.ts'

const ECHO = { url: 'http://echo:8080/' }

/** Pids of the processes that were started by that one. */
function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) === parent ? [Number(name)] : []
    } catch {
      return [] // It has ended.
    }
  })
}

describe.runIf(requirePrivileges())('a waypoint of three processes', () => {
  const mesh = new WaypointMesh()
  const supervisor = async (): Promise<{ readonly pid: number; readonly ip: string }> => {
    const { pods } = await mesh.ambit.status()
    const found = pods.find(({ name, phase }) => name.startsWith('waypoint-') && phase === 'running')
    if (found?.pid === undefined) throw new Error('no waypoint runs')
    return { pid: found.pid, ip: found.addresses[0] ?? '' }
  }
  const counted = async (): Promise<number> => {
    const { ip } = await supervisor()
    const script = `fetch('http://${ip}:15020/stats/prometheus').then((r) => r.text()).then((t) => console.log(t))`
    const page = await mesh.exec('web', ['node', '-e', script])
    let sum = 0
    for (const [, value] of page.matchAll(/^istio_requests_total\{[^}]*\} (\d+)$/gm)) sum += Number(value)
    return sum
  }

  beforeAll(async () => {
    await mesh.up([echoDeployment({ name: 'echo' }), echoService('echo')])
    await mesh.kubectl('set', 'env', '-n', 'shop', 'deployment/waypoint', 'AMBIT_WAYPOINT_WORKERS=3')
    await mesh.kubectl('rollout', 'status', '-n', 'shop', 'deployment/waypoint', '--timeout=60s')
    await mesh.throughWaypoint(ECHO.url)
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)

  it('answers, and counts all of its requests on one page', async () => {
    // The pod of before sees its connections out first.
    await expect.poll(async () => childrenOf((await supervisor()).pid).length, { timeout: 40_000 }).toBe(3)
    await mesh.askUntil(ECHO, ({ status }) => status === 200)
    const before = await counted()
    const answers = await mesh.ask({ ...ECHO, count: 300, parallel: 6 })
    expect(countBy(answers, ({ status }) => status)).toEqual({ 200: 300 })
    expect((await counted()) - before).toBe(300)
  })

  it('goes on when one is killed, and has three again', async () => {
    const { pid } = await supervisor()
    const [victim = 0] = childrenOf(pid)
    process.kill(victim, 'SIGKILL')
    await expect
      .poll(async () => childrenOf(pid).filter((child) => child !== victim).length, { timeout: 10_000 })
      .toBe(3)
    await mesh.askUntil(ECHO, ({ status }) => status === 200)
    const answers = await mesh.ask({ ...ECHO, count: 100, parallel: 4 })
    expect(countBy(answers, ({ status }) => status)).toEqual({ 200: 100 })
  })
})
