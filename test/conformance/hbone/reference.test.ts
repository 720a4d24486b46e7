import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyRedirect } from '../../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../../support/ca-server.ts'
import { PodNetwork, type TestPod } from '../../support/pod-network.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { ZtunnelProcess } from '../../support/ztunnel-process.ts'

/** A binary of Istio's ztunnel, or anything that takes its settings. */
const REFERENCE = process.env.AMBIT_ZTUNNEL

describe.runIf(REFERENCE !== undefined && requirePrivileges())(
  'our tunnel and the one that AMBIT_ZTUNNEL names',
  () => {
    let network: PodNetwork
    let ca: TestCaServer
    let pods: readonly [ours: TestPod, theirs: TestPod]
    const tunnels: ZtunnelProcess[] = []

    beforeAll(async () => {
      network = new PodNetwork()
      pods = [network.pod('ours'), network.pod('theirs')]
      ca = await startTestCa()
      const common = { localXds: meshFile(pods), caAddress: ca.address, caRootPem: ca.rootPem }
      for (const pod of pods) {
        applyRedirect(pod.netns, { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] })
        await pod.serve(8080, (socket) => void socket.pipe(socket))
      }
      tunnels.push(
        await ZtunnelProcess.start({ ...common, nodeName: 'node-ours', pods: [pods[0]] }),
        await ZtunnelProcess.start({ ...common, nodeName: 'node-theirs', pods: [pods[1]], program: REFERENCE ?? '' }),
      )
    })
    afterAll(async () => {
      await Promise.all(tunnels.map((tunnel) => tunnel.stop()))
      await ca?.close()
      network?.close()
    })

    it.each([
      ['from ours to theirs', 0, 1],
      ['from theirs to ours', 1, 0],
    ] as const)('carry bytes and half-closes %s, by address and by service', async (_way, from, to) => {
      expect(await exchange(pods[from].connect(pods[to].ip, 8080), 'by address')).toBe('by address')
      expect(await exchange(pods[from].connect(VIPS[to], 80), 'by service')).toBe('by service')
      expect(await exchange(pods[from].connect(pods[to].ip, 8080), 'x'.repeat(5_000_000))).toHaveLength(5_000_000)
    })

    it.each([
      ['ours refuses theirs', 1, 0],
      ['theirs refuses ours', 0, 1],
    ] as const)('deny alike: %s', async (_way, from, to) => {
      const socket = pods[from].connect(pods[to].ip, 7001)
      socket.on('error', () => {})
      socket.resume()
      await new Promise((resolve) => socket.on('close', resolve))
      await tunnels[from]?.line('http status: 401 Unauthorized')
    })
  },
)

const VIPS = ['10.96.0.1', '10.96.0.2'] as const

async function exchange(socket: Socket, text: string): Promise<string> {
  socket.end(text)
  let answer = ''
  for await (const part of socket) answer += String(part)
  return answer
}

function meshFile(pods: readonly TestPod[]): string {
  const hostname = (name: string): string => `${name}.default.svc.cluster.local`
  const workloads = pods.map(({ name, ip, ip6 }) => ({
    uid: `Kubernetes//Pod/default/${name}`,
    name,
    namespace: 'default',
    serviceAccount: name,
    trustDomain: 'cluster.local',
    workloadIps: [ip, ip6],
    protocol: 'HBONE',
    node: `node-${name}`,
    workloadName: name,
    workloadType: 'deployment',
    canonicalName: name,
    canonicalRevision: 'v1',
    clusterId: 'Kubernetes',
    services: { [`default/${hostname(name)}`]: { 80: 8080 } },
  }))
  const services = pods.map(({ name }, i) => ({
    name,
    namespace: 'default',
    hostname: hostname(name),
    vips: [`/${VIPS[i]}`],
    ports: { 80: 8080 },
  }))
  const policies = [
    {
      name: 'closed-port',
      namespace: 'default',
      scope: 'Namespace',
      action: 'Deny',
      dryRun: false,
      rules: [[[{ principals: [{ Presence: [] }], destinationPorts: [7001] }]]],
    },
  ]
  return JSON.stringify({ workloads, services, policies })
}
