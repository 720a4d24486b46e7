/** What goes through a waypoint for long: a WebSocket, and bodies of a gibibyte each way, beside ordinary requests. */
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { countBy, echoDeployment, echoService, podOf, WaypointMesh } from '../support/waypoint-mesh.ts'

const PROGRAMS = resolve(import.meta.dirname, '../e2e/programs')
const BULK = resolve(PROGRAMS, 'bulk.ts')
const WEB_SOCKET = resolve(PROGRAMS, 'web-socket.ts')
const GIB = 1_073_741_824
/** Ten minutes, a text every 100 ms. */
const TEXTS = Number(process.env.AMBIT_LONG_TEXTS ?? 6_000)
const EVERY_MS = 100

describe.runIf(requirePrivileges())('a waypoint, for long', () => {
  const mesh = new WaypointMesh()
  const run = async (...command: readonly string[]): Promise<unknown> => JSON.parse(await mesh.exec('web', command))

  beforeAll(async () => {
    await mesh.up([
      podOf('chat', ['node', WEB_SOCKET, 'serve', '8080'], 8080),
      echoService('chat'),
      podOf('bulk', ['node', BULK, 'serve', '8080'], 8080),
      echoService('bulk'),
      echoDeployment({ name: 'echo', replicas: 2 }),
      echoService('echo'),
    ])
    await mesh.throughWaypoint('http://echo:8080/')
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)

  it('carries a gibibyte each way without keeping it', async () => {
    const before = await mesh.waypointMemoryMib()
    expect(await run('node', BULK, 'transfer', 'http://bulk:8080/0', String(GIB))).toMatchObject({ text: String(GIB) })
    expect(await run('node', BULK, 'transfer', `http://bulk:8080/${GIB}`, '0')).toMatchObject({ got: GIB })
    expect((await mesh.waypointMemoryMib()) - before).toBeLessThan(64)
  })

  it('keeps a WebSocket open beside other requests, and grows no further once it is warm', async () => {
    const socket = run('node', WEB_SOCKET, 'ask', 'ws://chat:8080/', String(TEXTS), String(EVERY_MS))
    const load = { url: 'http://echo:8080/', everyMs: 10, count: (TEXTS * EVERY_MS) / 20 }
    const warmUp = await mesh.ask(load)
    const warm = await mesh.waypointMemoryMib()
    const rest = await mesh.ask(load)
    expect(countBy([...warmUp, ...rest], ({ status, error }) => status ?? error)).toEqual({ 200: 2 * load.count })
    expect((await mesh.waypointMemoryMib()) - warm).toBeLessThan(16)
    expect(await socket).toEqual({ sent: TEXTS, back: TEXTS })
  })
})
