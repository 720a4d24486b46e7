/** Three hops, each told to try three times more: what would be 64 calls of the last service. */
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { echoDeployment, echoService, podOf, WaypointMesh } from '../support/waypoint-mesh.ts'

const CHAIN = resolve(import.meta.dirname, 'programs/chain.ts')
const HOPS = ['front', 'middle', 'last']
const MANIFESTS = [
  podOf('front', ['node', CHAIN, '8080', 'http://middle:8080/'], 8080),
  podOf('middle', ['node', CHAIN, '8080', 'http://last:8080/'], 8080),
  podOf('last', ['node', CHAIN, '8080'], 8080),
  ...HOPS.map((name) => echoService(name)),
  echoDeployment({ name: 'echo' }),
  echoService('echo'),
]
const RETRIES = HOPS.map(
  (host) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host} }
spec:
  hosts: [${host}]
  http: [{ route: [{ destination: { host: ${host} } }], retries: { attempts: 3, retryOn: "5xx" } }]`,
).join('\n---\n')

describe.runIf(requirePrivileges())('retries of three hops', () => {
  const mesh = new WaypointMesh()
  const countOf = async (host: string): Promise<number> =>
    (await mesh.ask({ url: `http://${host}:8080/count` }))[0]?.body as number

  beforeAll(async () => {
    await mesh.up(MANIFESTS)
    await mesh.throughWaypoint('http://echo:8080/')
    await mesh.apply(RETRIES)
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)

  it('make at most four calls of the service that fails, and none is asked twice for nothing', async () => {
    const [answer] = await mesh.ask({ url: 'http://front:8080/' })
    expect(answer).toMatchObject({ status: 503 })
    const calls = await Promise.all(HOPS.map(countOf))
    expect(calls.at(-1)).toBeGreaterThan(1)
    expect(calls.at(-1), `calls of ${HOPS}: ${calls}`).toBeLessThanOrEqual(4)
  })
})
