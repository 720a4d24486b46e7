import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
import { echoSource, exchange, pathsMesh } from '../support/paths-mesh.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { ZtunnelProcess } from '../support/ztunnel-process.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const

describe.runIf(requirePrivileges())('the ways of a connection through two tunnels', () => {
  let network: PodNetwork
  let ca: TestCaServer
  let near: ZtunnelProcess
  let far: ZtunnelProcess
  let client: TestPod
  let server: TestPod
  let outsider: TestPod

  beforeAll(async () => {
    network = new PodNetwork()
    client = network.pod('client')
    server = network.pod('server')
    outsider = network.pod('outsider')
    ca = await startTestCa()
    const localXds = pathsMesh([client, 'node-a'], [server, 'node-b'])
    const common = { localXds, caAddress: ca.address, caRootPem: ca.rootPem }
    for (const pod of [client, server]) applyRedirect(pod.netns, CAPTURE)
    ;[near, far] = await Promise.all([
      ZtunnelProcess.start({ ...common, nodeName: 'node-a', pods: [client] }),
      ZtunnelProcess.start({ ...common, nodeName: 'node-b', pods: [server] }),
    ])
    await server.serve(8080, echoSource)
    await server.serve(8090, (socket) => socket.pipe(socket))
    await server.serve(8091, speakAfterwards)
    await outsider.serve(8080, echoSource)
  })
  afterAll(async () => {
    await Promise.all([near?.stop(), far?.stop()])
    await ca?.close()
    network?.close()
  })

  it.each([4, 6] as const)(
    'carries a request to the other node over IPv%d, and the server sees the client',
    async (family) => {
      const [from, to] = family === 4 ? [client.ip, server.ip] : [client.ip6, server.ip6]
      expect(await exchange(client.connect(to, 8080), 'hello')).toBe(`${from} hello`)
      const shown = family === 6 ? (ip: string) => `[${ip}]` : (ip: string) => ip
      const source = `src.addr=${shown(from)}:* src.workload="client" src.namespace="default" src.identity="spiffe://cluster.local/ns/default/sa/client" src.cluster="Kubernetes"`
      const target = `dst.addr=${shown(to)}:15008 dst.hbone_addr=${shown(to)}:8080`
      const destination = `dst.workload="server" dst.namespace="default" dst.identity="spiffe://cluster.local/ns/default/sa/server" dst.cluster="Kubernetes"`
      const answered = `${from} hello`.length
      expect(await near.nextAccessLine()).toBe(
        `info\taccess\tconnection complete\t${source} ${target} ${destination} direction="outbound" bytes_sent=5 bytes_recv=${answered} duration=*`,
      )
      expect(await far.nextAccessLine()).toBe(
        `info\taccess\tconnection complete\t${source} ${target} dst.service="web.default.svc.cluster.local" ${destination} direction="inbound" bytes_sent=${answered} bytes_recv=5 duration=*`,
      )
    },
  )

  it.each(['10.96.0.1', 'fd96::1'])('carries a request for the service address %s to its endpoint', async (vip) => {
    const from = vip.includes(':') ? client.ip6 : client.ip
    expect(await exchange(client.connect(vip, 80), 'vip')).toBe(`${from} vip`)
    expect(await near.nextAccessLine()).toContain('dst.service="web.default.svc.cluster.local"')
    expect(await far.nextAccessLine()).toContain('direction="inbound"')
  })

  it('passes a request for an unknown address through', async () => {
    expect(await exchange(client.connect(outsider.ip, 8080), 'out')).toBe(`${client.ip} out`)
    expect(await near.nextAccessLine()).toBe(
      `info\taccess\tconnection complete\tsrc.addr=${client.ip}:* src.workload="client" src.namespace="default" src.cluster="Kubernetes" dst.addr=${outsider.ip}:8080 direction="outbound" bytes_sent=3 bytes_recv=${`${client.ip} out`.length} duration=*`,
    )
  })

  it('takes a plain request from outside the mesh', async () => {
    expect(await exchange(outsider.connect(server.ip, 8080), 'in')).toBe(`${outsider.ip} in`)
    expect(await far.nextAccessLine()).toBe(
      `info\taccess\tconnection complete\tsrc.addr=${outsider.ip}:* dst.addr=${server.ip}:8080 dst.service="web.default.svc.cluster.local" dst.workload="server" dst.namespace="default" dst.cluster="Kubernetes" direction="inbound" bytes_sent=${`${outsider.ip} in`.length} bytes_recv=2 duration=*`,
    )
  })

  it('gives a refused connection for a port that nobody listens on', async () => {
    await expect(exchange(client.connect(server.ip, 9), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await near.nextAccessLine()).toMatch(
      /^error\t.* bytes_sent=0 bytes_recv=0 duration=\* error="http status: 503 Service Unavailable"$/,
    )
    expect(await far.nextAccessLine()).toMatch(
      /^error\t.* error="connection failed: connect ECONNREFUSED 10\.77\.0\.2:9"$/,
    )
    await expect(exchange(client.connect(outsider.ip, 9), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await near.nextAccessLine()).toMatch(/error="io error: connect ECONNREFUSED 10\.77\.0\.3:9"$/)
    await expect(exchange(outsider.connect(server.ip, 9), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await far.nextAccessLine()).toMatch(/error="connection failed: connect ECONNREFUSED 10\.77\.0\.2:9"$/)
  })

  it('refuses what a policy denies to the proven identity, on a tunnel and in plain', async () => {
    await expect(exchange(client.connect(server.ip, 7001), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    const denied =
      'error="connection closed due to policy rejection: explicitly denied by: default/no-client" deny.policy="default/no-client" deny.rule=0'
    expect(await near.nextAccessLine()).toMatch(/error="http status: 401 Unauthorized"$/)
    expect(await far.nextAccessLine()).toMatch(new RegExp(`^error\\t.*direction="inbound" .*${denied}$`))
    expect(await exchange(outsider.connect(server.ip, 7002), '')).toBe('')
    expect(await far.nextAccessLine()).toContain('explicitly denied by: default/strict-port')
  })

  it('refuses the own ports of a tunnel as targets, with an early line', async () => {
    expect(await exchange(client.connect('127.0.0.1', 15_001), '')).toBe('')
    expect(await near.nextAccessLine()).toContain('error="attempted recursive call to ourselves"')
    await expect(exchange(client.connect(server.ip, 15_006), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await near.nextAccessLine()).toContain('http status: 503')
    expect(await far.nextAccessLine()).toBe(
      `warn\taccess\tconnection failed\tsrc.addr=${client.ip}:* dst.addr=${server.ip}:15008 direction="inbound" error="attempted recursive call to ourselves"`,
    )
  })

  it('carries much, both ways, byte for byte', async () => {
    const sent = randomBytes(20_000_000)
    const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    const socket = client.connect(server.ip, 8090)
    const received: Buffer[] = []
    socket.on('data', (part) => received.push(part))
    socket.end(sent)
    await once(socket, 'end')
    expect(digest(Buffer.concat(received))).toBe(digest(sent))
    for (const tunnel of [near, far]) {
      expect(await tunnel.nextAccessLine()).toContain('bytes_sent=20000000 bytes_recv=20000000')
    }
  })

  it('keeps the other way open when one has ended', async () => {
    const socket = client.connect(server.ip, 8091)
    socket.end('first')
    socket.setEncoding('utf8')
    let answer = ''
    for await (const part of socket) answer += part
    expect(answer).toBe('one two three')
    await Promise.all([near.nextAccessLine(), far.nextAccessLine()])
  })

  it('counts each of these connections once, at both ends, and bytes as the client meant them', async () => {
    const [source, destination] = await Promise.all([series(near), series(far)])
    expect(source).toMatchInlineSnapshot(`
      [
        "istio_tcp_connections_opened_total{client server unknown - mutual_tls} 7",
        "istio_tcp_connections_opened_total{client server web - mutual_tls} 2",
        "istio_tcp_connections_opened_total{client unknown unknown - unknown} 2",
        "istio_tcp_connections_closed_total{client server unknown - mutual_tls} 4",
        "istio_tcp_connections_closed_total{client server web - mutual_tls} 2",
        "istio_tcp_connections_closed_total{client unknown unknown - unknown} 1",
        "istio_tcp_connections_closed_total{client server unknown CONNECT mutual_tls} 3",
        "istio_tcp_connections_closed_total{client unknown unknown CONNECT unknown} 1",
        "istio_tcp_connections_failed_total{client server unknown CONNECT mutual_tls} 3",
        "istio_tcp_connections_failed_total{client unknown unknown CONNECT unknown} 1",
        "istio_tcp_received_bytes_total{client server unknown - mutual_tls} 20000015",
        "istio_tcp_received_bytes_total{client server web - mutual_tls} 6",
        "istio_tcp_received_bytes_total{client unknown unknown - unknown} 3",
        "istio_tcp_sent_bytes_total{client server unknown - mutual_tls} 20000041",
        "istio_tcp_sent_bytes_total{client server web - mutual_tls} 24",
        "istio_tcp_sent_bytes_total{client unknown unknown - unknown} 13",
        "istio_tcp_sockets_open 0",
      ]
    `)
    expect(destination).toMatchInlineSnapshot(`
      [
        "istio_tcp_connections_opened_total{client server web - mutual_tls} 4",
        "istio_tcp_connections_opened_total{unknown server web - unknown} 1",
        "istio_tcp_connections_opened_total{client server unknown - mutual_tls} 4",
        "istio_tcp_connections_opened_total{unknown server unknown - unknown} 2",
        "istio_tcp_connections_closed_total{client server web - mutual_tls} 4",
        "istio_tcp_connections_closed_total{unknown server web - unknown} 1",
        "istio_tcp_connections_closed_total{client server unknown CONNECT mutual_tls} 1",
        "istio_tcp_connections_closed_total{unknown server unknown CONNECT unknown} 1",
        "istio_tcp_connections_closed_total{client server unknown DENY mutual_tls} 1",
        "istio_tcp_connections_closed_total{unknown server unknown DENY unknown} 1",
        "istio_tcp_connections_closed_total{client server unknown - mutual_tls} 2",
        "istio_tcp_connections_failed_total{client server unknown CONNECT mutual_tls} 1",
        "istio_tcp_connections_failed_total{unknown server unknown CONNECT unknown} 1",
        "istio_tcp_connections_failed_total{client server unknown DENY mutual_tls} 1",
        "istio_tcp_connections_failed_total{unknown server unknown DENY unknown} 1",
        "istio_tcp_received_bytes_total{client server web - mutual_tls} 16",
        "istio_tcp_received_bytes_total{unknown server web - unknown} 2",
        "istio_tcp_received_bytes_total{client server unknown - mutual_tls} 20000005",
        "istio_tcp_received_bytes_total{unknown server unknown - unknown} 0",
        "istio_tcp_sent_bytes_total{client server web - mutual_tls} 52",
        "istio_tcp_sent_bytes_total{unknown server web - unknown} 12",
        "istio_tcp_sent_bytes_total{client server unknown - mutual_tls} 20000013",
        "istio_tcp_sent_bytes_total{unknown server unknown - unknown} 0",
        "istio_tcp_sockets_open 0",
      ]
    `)
  })

  it('shows the metrics that the docs describe, but for those of what is not here', async () => {
    const page = await (await fetch(near.metricsUrl)).text()
    const docs = readFileSync(resolve(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
    const kinds = [...page.matchAll(/^# TYPE (\S+) (\w+)$/gm)]
    const shown = new Set(kinds.map(([, name, kind]) => (kind === 'counter' ? `${name}_total` : name)))
    const described = new Set(
      [...docs.matchAll(/`((?:ambit|istio|workload_manager|process|nodejs|tokio)_\w+)(?=[`{])/g)].map(
        ([, name]) => name,
      ),
    )
    expect([...shown].filter((name) => !described.has(name))).toEqual([])
    const missing = [...described].filter((name) => !shown.has(name))
    expect(missing.filter((name) => !/^(?:istio_(?:dns|crl|xds)|ambit_xds)_/.test(name ?? ''))).toEqual([])
    expect(page.match(/^ambit_early_denials_total.*$/gm)).toEqual([
      'ambit_early_denials_total{reporter="source",reason="own-port"} 1',
    ])
  })

  it('keeps why it refused in the dump', async () => {
    const { denials } = (await (await fetch(`${far.adminUrl}/config_dump`)).json()) as Dump
    expect(denials.map(({ policy, rule, when, identity }) => ({ policy, rule, when, identity }))).toEqual([
      {
        policy: 'default/no-client',
        rule: 0,
        when: 'start',
        identity: 'spiffe://cluster.local/ns/default/sa/client',
      },
      { policy: 'default/strict-port', rule: 0, when: 'start', identity: undefined },
    ])
  })

  it('shows its pods and identities in the dump', async () => {
    const dump = (await (await fetch(`${near.adminUrl}/config_dump`)).json()) as Dump
    expect(Object.keys(dump.workloadState)).toEqual(['client'])
    expect(dump.workloadState.client).toMatchObject({ state: 'Up', info: { name: 'client', namespace: 'default' } })
    expect(dump.certificates.map(({ identity, state }) => `${identity} ${state}`)).toEqual([
      'spiffe://cluster.local/ns/default/sa/client Available',
    ])
    expect(dump.workloads.length).toBe(2)
  })
})

/** Speaks only when the other side has ended, in three parts. */
function speakAfterwards(socket: Socket): void {
  socket.resume()
  socket.on('end', () => {
    socket.write('one ')
    setImmediate(() => {
      socket.write('two ')
      setImmediate(() => socket.end('three'))
    })
  })
}

interface Dump {
  readonly denials: readonly Readonly<Record<'policy' | 'rule' | 'when' | 'identity', unknown>>[]
  readonly workloadState: Readonly<Record<string, unknown>>
  readonly certificates: readonly { readonly identity: string; readonly state: string }[]
  readonly workloads: readonly unknown[]
}

/** The connection counters, with the labels by which these tests' connections differ. */
async function series(tunnel: ZtunnelProcess): Promise<string[]> {
  const text = await (await fetch(tunnel.metricsUrl)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith('istio_tcp_'))
    .map((line) => {
      const label = (name: string): string => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '?'
      const labels = ['source_workload', 'destination_workload', 'destination_service_name', 'response_flags']
      const shown = line.includes('source_workload')
        ? `{${labels.map(label).join(' ')} ${label('connection_security_policy')}}`
        : ''
      return `${line.slice(0, line.indexOf('{'))}${shown} ${line.split(' ').at(-1)}`
    })
}
