import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
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
    const localXds = meshFile([client, 'node-a'], [server, 'node-b'])
    const common = { localXds, caAddress: ca.address, caRootPem: ca.rootPem }
    for (const pod of [client, server]) applyRedirect(pod.netns, CAPTURE)
    ;[near, far] = await Promise.all([
      ZtunnelProcess.start({ ...common, nodeName: 'node-a', pods: [client] }),
      ZtunnelProcess.start({ ...common, nodeName: 'node-b', pods: [server] }),
    ])
    await server.serve(8080, echoSource)
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
})

/** Answers what it got with the address it came from, at the end of what it got. */
function echoSource(socket: Socket): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (part) => {
    text += part
  })
  socket.on('end', () => socket.end(`${socket.remoteAddress?.replace('::ffff:', '')} ${text}`))
}

/** Sends, half-closes, and reads to the end. */
function exchange(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (part) => {
      answer += part
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
    socket.end(text)
  })
}

function meshFile(...pods: readonly (readonly [pod: TestPod, node: string])[]): string {
  const workloads = pods.map(([{ name, ip, ip6 }, node]) => ({
    uid: `Kubernetes//Pod/default/${name}`,
    name,
    namespace: 'default',
    serviceAccount: name,
    trustDomain: 'cluster.local',
    workloadIps: [ip, ip6],
    protocol: 'HBONE',
    node,
    workloadName: name,
    workloadType: 'deployment',
    canonicalName: name,
    canonicalRevision: 'v1',
    clusterId: 'Kubernetes',
    services: name === 'server' ? { 'default/web.default.svc.cluster.local': { 80: 8080 } } : {},
  }))
  const services = [
    {
      name: 'web',
      namespace: 'default',
      hostname: 'web.default.svc.cluster.local',
      vips: ['/10.96.0.1', '/fd96::1'],
      ports: { 80: 8080 },
    },
  ]
  return JSON.stringify({ workloads, services, policies: [] })
}
