import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressOf, type Mesh, type MeshStatus, meshUp } from '../../bench/topology/mesh.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { tapWire } from '../support/wire-tap.ts'

const programs = join(import.meta.dirname, 'programs')
const GET = ['node', join(programs, 'get.ts')]
const TICKS = ['node', join(programs, 'ticks.ts')]

interface Answer {
  readonly status?: number
  readonly error?: string
  readonly body?: { readonly pod: string; readonly source: string; readonly url: string }
}

const pod = (namespace: string, name: string, node: string, app: string, command: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${app} } }
spec:
  serviceAccountName: ${app}
  nodeName: ${node}
  containers: [{ name: main, image: ambit/test, command: ${command} }]
`
const echo = JSON.stringify(['node', join(programs, 'echo.ts'), '8080'])
const idle = JSON.stringify(['sleep', 'infinity'])
const account = (namespace: string, name: string): string =>
  `\napiVersion: v1\nkind: ServiceAccount\nmetadata: { name: ${name}, namespace: ${namespace} }\n`
const service = (namespace: string, name: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`
const objects = [
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: mesh, labels: { istio.io/dataplane-mode: ambient } }\n`,
  `\napiVersion: v1\nkind: Namespace\nmetadata: { name: bare }\n`,
  ...['client', 'other', 'echo', 'far'].map((name) => account('mesh', name)),
  pod('mesh', 'client', 'node-a', 'client', idle),
  pod('mesh', 'other', 'node-a', 'other', idle),
  pod('mesh', 'echo-near', 'node-a', 'echo', echo),
  pod('mesh', 'echo-far', 'node-b', 'echo', echo),
  pod('mesh', 'far', 'node-b', 'far', echo),
  service('mesh', 'echo'),
  account('bare', 'client'),
  account('bare', 'far'),
  pod('bare', 'client', 'node-a', 'client', idle),
  pod('bare', 'far', 'node-b', 'far', echo),
].join('---')

const peerAuthentication = (mode: string): string =>
  `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: mesh }\nspec: { mtls: { mode: ${mode} } }\n`

const privileged = await requirePrivileges()

describe.runIf(privileged)('two nodes, one mesh', () => {
  let mesh: Mesh
  let status: MeshStatus
  const get = async (from: string, url: string, count = 1): Promise<Answer[]> => {
    const [namespace = '', name = ''] = from.split('/')
    const printed = await mesh.exec(namespace, name, [...GET, url, String(count)])
    return printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer)
  }
  /** Asks until the answer is as wanted; the last answer is what the test then looks at. */
  const until = async (ask: () => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer> => {
    const untilMs = Date.now() + 10_000
    for (;;) {
      const answer = await ask()
      if (wanted(answer) || Date.now() > untilMs) return answer
    }
  }
  const at = (where: string, family: 4 | 6 = 4): string => {
    const [namespace = '', name = ''] = where.split('/')
    const address = addressOf(status, namespace, name, family)
    return family === 6 ? `[${address}]` : address
  }
  const bare = (address: string): string => address.replace(/^\[|\]$/g, '')

  beforeAll(async () => {
    mesh = await meshUp({ 'objects.yaml': objects }, { args: ['--env', 'ztunnel:SECRET_TTL=20s'] })
    status = await mesh.status()
  })
  afterAll(() => mesh?.down())

  it.each([4, 6] as const)('keeps the client pod as source from node to node over IPv%i', async (family) => {
    const [answer] = await get('mesh/client', `http://${at('mesh/far', family)}:8080/`)
    expect(answer).toMatchObject({ status: 200, body: { pod: 'far', source: bare(at('mesh/client', family)) } })
  })

  it('lets nobody between the nodes read what enrolled pods say', async () => {
    const pid = await mesh.pid('ztunnel', 'node-a')
    const secret = 'marker-4f1d9c'
    const meshed = await tapWire(pid, () => get('mesh/client', `http://${at('mesh/far')}:8080/${secret}`))
    const plain = await tapWire(pid, () => get('bare/client', `http://${at('bare/far')}:8080/${secret}`))
    expect({ meshed: meshed.includes(secret), plain: plain.includes(secret) }).toEqual({ meshed: false, plain: true })
    expect(meshed.length, 'the tunnel was really seen').toBeGreaterThan(1000)
  })

  it("names the client's service account in the server's access log", async () => {
    await get('mesh/client', `http://${at('mesh/far')}:8080/`)
    const log = await mesh.ambit('logs', 'ztunnel', '--node', 'node-b')
    const line = log
      .split('\n')
      .findLast((each) => each.includes('direction="inbound"') && each.includes(`${bare(at('mesh/far'))}:`))
    expect(line).toContain('src.identity="spiffe://cluster.local/ns/mesh/sa/client"')
    expect(line).toContain('dst.identity="spiffe://cluster.local/ns/mesh/sa/far"')
    expect(line).toContain('src.workload="client"')
  })

  it('spreads a service address over both of its endpoints', async () => {
    const answers = await get('mesh/client', 'http://echo.mesh/', 40)
    expect(new Set(answers.map((answer) => answer.body?.pod))).toEqual(new Set(['echo-near', 'echo-far']))
  })

  it('passes what it does not know through', async () => {
    const [answer] = await get('mesh/client', `http://${at('bare/far')}:8080/`)
    expect(answer).toMatchObject({ status: 200, body: { pod: 'far', source: bare(at('mesh/client')) } })
  })

  it.each(['mesh/far', 'bare/far'])('refuses a connection to a port that nobody listens on (%s)', async (where) => {
    const [answer] = await get('mesh/client', `http://${at(where)}:9/`)
    expect(answer?.error).toMatch(/ECONNREFUSED|ECONNRESET/)
  })

  it('takes plaintext when PERMISSIVE and refuses it when STRICT', async () => {
    const ask = async (): Promise<Answer> => (await get('bare/client', `http://${at('mesh/far')}:8080/`))[0] ?? {}
    expect(await ask()).toMatchObject({ status: 200, body: { source: bare(at('bare/client')) } })
    mesh.write('peer.yaml', peerAuthentication('STRICT'))
    expect((await until(ask, (answer) => answer.error !== undefined)).error).toMatch(/ECONNRESET|socket hang up/)
    expect((await get('mesh/client', `http://${at('mesh/far')}:8080/`))[0]?.status, 'mTLS still passes').toBe(200)
    mesh.write('peer.yaml', peerAuthentication('PERMISSIVE'))
    expect((await until(ask, (answer) => answer.status === 200)).status).toBe(200)
  })

  it('cuts a live connection within a second of a DENY policy for its principal, and no other', async () => {
    const denied = mesh.start('mesh', 'client', [...TICKS, `http://${at('mesh/far')}:8080/ticks`])
    const other = mesh.start('mesh', 'other', [...TICKS, `http://${at('mesh/far')}:8080/ticks`])
    await Promise.all([denied.line(), other.line()])
    const wroteMs = Date.now()
    mesh.write(
      'deny.yaml',
      `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-client, namespace: mesh }
spec:
  selector: { matchLabels: { app: far } }
  action: DENY
  rules: [{ from: [{ source: { principals: [cluster.local/ns/mesh/sa/client] } }] }]
`,
    )
    await denied.line()
    expect(Date.now() - wroteMs).toBeLessThan(1000)
    expect((await get('mesh/client', `http://${at('mesh/far')}:8080/`))[0]?.error).toBeDefined()
    expect((await get('mesh/other', `http://${at('mesh/far')}:8080/`))[0]?.status).toBe(200)
    await other.end()
    expect(JSON.parse(await other.line())).not.toHaveProperty('error')
    mesh.remove('deny.yaml')
    const ask = async (): Promise<Answer> => (await get('mesh/client', `http://${at('mesh/far')}:8080/`))[0] ?? {}
    expect((await until(ask, (answer) => answer.status === 200)).status).toBe(200)
  })

  it('rotates certificates of 20 s under a running stream and new connections without one failure', async () => {
    const serials = async (): Promise<Set<string>> => {
      const dump = JSON.parse(await mesh.ambit('ztunnel-config', 'certificates', '-o', 'json', '--node', 'node-a'))
      const found = dump as { identity: string; certChain: { serialNumber: string }[] }[]
      return new Set(found.map((each) => each.certChain[0]?.serialNumber ?? ''))
    }
    const before = await serials()
    const stream = mesh.start('mesh', 'client', [...TICKS, `http://${at('mesh/far')}:8080/ticks`])
    await stream.line()
    const untilMs = Date.now() + 25_000
    const failures: Answer[] = []
    let asked = 0
    while (Date.now() < untilMs) {
      const answers = await get('mesh/client', `http://${at('mesh/far')}:8080/`, 20)
      asked += answers.length
      failures.push(...answers.filter((answer) => answer.status !== 200))
    }
    await stream.end()
    const { ticks, error } = JSON.parse(await stream.line()) as { ticks: number; error?: string }
    expect({ failures, error }).toEqual({ failures: [], error: undefined })
    expect(asked).toBeGreaterThan(100)
    expect(ticks).toBeGreaterThan(150)
    expect(
      [...(await serials())].filter((serial) => before.has(serial)),
      'every certificate is another one',
    ).toEqual([])
  })

  it('goes on without istiod-lite', async () => {
    process.kill(await mesh.pid('istiod-lite'), 'SIGKILL')
    const answers = await get('mesh/client', `http://${at('mesh/far')}:8080/`, 10)
    expect(answers.filter((answer) => answer.status !== 200)).toEqual([])
  })

  it('serves every pod again after a ztunnel was killed', async () => {
    const before = await mesh.pid('ztunnel', 'node-b')
    process.kill(before, 'SIGKILL')
    const ask = async (): Promise<Answer> => (await get('mesh/client', `http://${at('mesh/far')}:8080/`))[0] ?? {}
    expect(await until(ask, (answer) => answer.status === 200)).toMatchObject({
      status: 200,
      body: { source: bare(at('mesh/client')) },
    })
    expect(await mesh.pid('ztunnel', 'node-b')).not.toBe(before)
    const answers = await get('mesh/client', 'http://echo.mesh/', 20)
    expect(new Set(answers.map((answer) => answer.body?.pod))).toEqual(new Set(['echo-near', 'echo-far']))
  })
})
