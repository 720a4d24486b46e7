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

  it('carries a request to the other node, and the server sees the client', async () => {
    expect(await exchange(client.connect(server.ip, 8080), 'hello')).toBe(`${client.ip} hello`)
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
