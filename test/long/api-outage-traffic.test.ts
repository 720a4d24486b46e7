/** The Kubernetes API hangs for a minute, with everything else that its process does: traffic does not notice. */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { countBy, echoDeployment, echoService, WaypointMesh } from '../support/waypoint-mesh.ts'

const OUTAGE_MS = 60_000
const EVERY_MS = 50

describe.runIf(requirePrivileges())('traffic while the API is away', () => {
  const mesh = new WaypointMesh()
  /** Messages that the waypoint has had from the control plane. */
  const messages = async (): Promise<number> => {
    const { pods } = await mesh.ambit.status()
    const ip = pods.find(({ name }) => name.startsWith('waypoint-'))?.addresses[0]
    const script = `fetch('http://${ip}:15020/stats/prometheus').then((r) => r.text()).then((t) => console.log(t))`
    const page = await mesh.exec('web', ['node', '-e', script])
    let sum = 0
    for (const [, value] of page.matchAll(/^istio_xds_message_total\{[^}]*\} (\d+)$/gm)) sum += Number(value)
    return sum
  }

  beforeAll(async () => {
    await mesh.up([echoDeployment({ name: 'echo', replicas: 2 }), echoService('echo')])
    await mesh.throughWaypoint('http://echo:8080/')
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)

  it('goes on, through tunnels and a waypoint, and nothing is sent again when it is back', async () => {
    const before = await messages()
    expect(before).toBeGreaterThan(0)
    const { pid } = await mesh.ambit.status()
    const count = (OUTAGE_MS + 10_000) / EVERY_MS
    const load = mesh.ask({ url: 'http://echo:8080/', everyMs: EVERY_MS, count })
    await setTimeout(3_000)
    process.kill(pid, 'SIGSTOP')
    try {
      await setTimeout(OUTAGE_MS)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect(countBy(await load, ({ status, error }) => status ?? error)).toEqual({ 200: count })
    await mesh.apply('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: back }\ndata: { is: here }')
    expect(await messages()).toBe(before)
  })
})
