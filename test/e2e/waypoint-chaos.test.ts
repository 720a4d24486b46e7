/** Nothing of what happens to endpoints and waypoints is seen by clients. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { countBy, echoDeployment, echoService, WaypointMesh } from '../support/waypoint-mesh.ts'

/** 500 requests a second, over as long as what is done to the mesh takes. */
const LOAD = { url: 'http://orders:8080/', everyMs: 2 }
const ROUTES = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: orders }
spec:
  hosts: [orders]
  http:
  - route: [{ destination: { host: orders } }]
    retries: { attempts: 3, perTryTimeout: 2s, retryOn: "connect-failure,refused-stream,reset,gateway-error" }`

describe.runIf(requirePrivileges())('clients of a waypoint', () => {
  const mesh = new WaypointMesh()
  const podsOf = async (app: string): Promise<readonly string[]> =>
    (await mesh.kubectl('get', 'pods', '-n', 'shop', '-l', app, '-o', 'jsonpath={.items[*].metadata.name}')).split(' ')
  const rollout = async (deployment: string): Promise<void> => {
    await mesh.kubectl('rollout', 'restart', '-n', 'shop', `deployment/${deployment}`)
    await mesh.kubectl('rollout', 'status', '-n', 'shop', `deployment/${deployment}`, '--timeout=90s')
  }

  beforeAll(async () => {
    await mesh.up([echoDeployment({ name: 'orders', replicas: 3 }), echoService('orders')])
    await mesh.kubectl('scale', '-n', 'shop', 'deployment/waypoint', '--replicas=2')
    await mesh.kubectl('rollout', 'status', '-n', 'shop', 'deployment/waypoint', '--timeout=60s')
    await mesh.apply(ROUTES)
    await mesh.throughWaypoint(LOAD.url)
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)

  it('see no error while an endpoint is killed', async () => {
    const load = mesh.ask({ ...LOAD, count: 4_000 })
    const [victim = ''] = await podsOf('app=orders')
    const { pods } = await mesh.ambit.status()
    const pid = pods.find(({ name }) => name === victim)?.pid
    if (pid === undefined) throw new Error(`${victim} does not run`)
    process.kill(pid, 'SIGKILL')
    expect(countBy(await load, ({ status, error }) => status ?? error)).toEqual({ 200: 4_000 })
  })

  it.each(['orders', 'waypoint'])('see no error while deployment %s is restarted pod by pod', async (deployment) => {
    const before = await podsOf(
      deployment === 'orders' ? 'app=orders' : 'gateway.networking.k8s.io/gateway-name=waypoint',
    )
    const load = mesh.ask({ ...LOAD, count: 10_000 })
    await rollout(deployment)
    const after = await podsOf(
      deployment === 'orders' ? 'app=orders' : 'gateway.networking.k8s.io/gateway-name=waypoint',
    )
    expect(after.filter((name) => before.includes(name))).toEqual([])
    expect(countBy(await load, ({ status, error }) => status ?? error)).toEqual({ 200: 10_000 })
  })

  it('see no error while a waypoint grows and shrinks', async () => {
    const load = mesh.ask({ ...LOAD, count: 5_000 })
    for (const replicas of [3, 1, 2]) {
      await mesh.kubectl('scale', '-n', 'shop', 'deployment/waypoint', `--replicas=${replicas}`)
      await mesh.kubectl('rollout', 'status', '-n', 'shop', 'deployment/waypoint', '--timeout=60s')
    }
    expect(countBy(await load, ({ status, error }) => status ?? error)).toEqual({ 200: 5_000 })
  })
})
