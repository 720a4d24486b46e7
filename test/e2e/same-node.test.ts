import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
import { echoSource, exchange, pathsMesh } from '../support/paths-mesh.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { ZtunnelProcess } from '../support/ztunnel-process.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const
const MODES = ['tunnel', 'direct'] as const

describe.runIf(requirePrivileges())('two pods of one node', () => {
  /** What each mode's tunnel said of the same connections, in order of their ends. */
  const told = new Map<string, readonly string[]>()

  describe.each(MODES)('by %s', (mode) => {
    let network: PodNetwork
    let ca: TestCaServer
    let tunnel: ZtunnelProcess
    let client: TestPod
    let server: TestPod
    const lines: string[] = []
    /** Both ends of a connection tell of it, in whichever order. */
    const bothLines = async (): Promise<void> => {
      lines.push(...[await tunnel.nextAccessLine(), await tunnel.nextAccessLine()].sort())
    }

    beforeAll(async () => {
      network = new PodNetwork()
      client = network.pod('client')
      server = network.pod('server')
      ca = await startTestCa()
      const pods = [client, server]
      for (const pod of pods) applyRedirect(pod.netns, CAPTURE)
      tunnel = await ZtunnelProcess.start({
        localXds: pathsMesh([client, 'node-a'], [server, 'node-a']),
        caAddress: ca.address,
        caRootPem: ca.rootPem,
        nodeName: 'node-a',
        pods,
        env: { AMBIT_SAME_NODE: mode },
      })
      await server.serve(8080, echoSource)
      await server.serve(8090, (socket) => socket.pipe(socket))
    })
    afterAll(async () => {
      told.set(mode, lines)
      await tunnel?.stop()
      await ca?.close()
      network?.close()
    })

    it.each([4, 6] as const)('reach each other over IPv%d, and the server sees the client', async (family) => {
      const [from, to] = family === 4 ? [client.ip, server.ip] : [client.ip6, server.ip6]
      expect(await exchange(client.connect(to, 8080), 'hello')).toBe(`${from} hello`)
      await bothLines()
    })

    it('reach each other by a service', async () => {
      expect(await exchange(client.connect('10.96.0.1', 80), 'vip')).toBe(`${client.ip} vip`)
      await bothLines()
    })

    it('are refused what a policy denies', async () => {
      await expect(exchange(client.connect(server.ip, 7001), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
      await bothLines()
    })

    it('are refused a port that nobody listens on', async () => {
      await expect(exchange(client.connect(server.ip, 9), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
      await bothLines()
    })

    it('are refused the own ports of a tunnel', async () => {
      await expect(exchange(client.connect(server.ip, 15_006), 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
      await bothLines()
    })

    it('send much, both ways, byte for byte', async () => {
      const sent = randomBytes(20_000_000)
      const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
      const socket = client.connect(server.ip, 8090)
      const received: Buffer[] = []
      socket.on('data', (part) => received.push(part))
      socket.end(sent)
      await once(socket, 'end')
      expect(digest(Buffer.concat(received))).toBe(digest(sent))
      await bothLines()
    })

    it(`${mode === 'direct' ? 'make no' : 'make a'} tunnel between them`, async () => {
      const socket = client.connect(server.ip, 8090)
      socket.setEncoding('utf8')
      socket.write('a')
      await once(socket, 'data')
      expect(server.connectionsTo(15_008) > 0).toBe(mode === 'tunnel')
      const dump = (await (await fetch(`${tunnel.adminUrl}/config_dump`)).json()) as Dump
      expect(dump.workloadState.client?.connections.outbound).toEqual([
        expect.objectContaining({ actualDst: `${server.ip}:15008`, protocol: 'HBONE' }),
      ])
      expect(dump.workloadState.server?.connections.inbound).toEqual([
        expect.objectContaining({ actualDst: `${server.ip}:8090`, protocol: 'HBONE' }),
      ])
      socket.end()
      await bothLines()
    })
  })

  it('are told of in the same words either way', () => {
    expect(told.get('direct')).toEqual(told.get('tunnel'))
    expect(told.get('direct')).toHaveLength(16)
  })
})

interface Dump {
  readonly workloadState: Readonly<
    Record<string, { readonly connections: { readonly inbound: unknown[]; readonly outbound: unknown[] } }>
  >
}
