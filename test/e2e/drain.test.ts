import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
import { localMeshOf } from '../support/local-mesh.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { ZtunnelProcess } from '../support/ztunnel-process.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const

describe.runIf(requirePrivileges())('a tunnel that ends, or leaves a pod', () => {
  let network: PodNetwork
  let ca: TestCaServer
  let tunnel: ZtunnelProcess
  let client: TestPod
  let server: TestPod
  let open: Socket[] = []

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
    const pods = [client, server]
    tunnel = await ZtunnelProcess.start({
      localXds: localMeshOf(pods),
      caAddress: ca.address,
      caRootPem: ca.rootPem,
      nodeName: 'node-a',
      pods,
      env,
    })
  }
  const connect = async (): Promise<Socket> => {
    const socket = client.connect(server.ip, 7)
    socket.setEncoding('utf8')
    open.push(socket)
    socket.write('a')
    expect(await nextText(socket)).toBe('a')
    return socket
  }

  beforeEach(async () => {
    network = new PodNetwork()
    client = network.pod('client')
    server = network.pod('server')
    ca = await startTestCa()
    for (const pod of [client, server]) applyRedirect(pod.netns, CAPTURE)
    await server.serve(7, (socket) => socket.pipe(socket))
  })
  afterEach(async () => {
    for (const socket of open) socket.destroy()
    open = []
    await tunnel?.stop('SIGKILL')
    await ca?.close()
    network?.close()
  })

  it('lets running connections finish, takes no new ones, and exits with 0 when the last has ended', async () => {
    await start({ CONNECTION_TERMINATION_DEADLINE: '20s' })
    const socket = await connect()
    tunnel.process.kill('SIGTERM')
    await tunnel.line('draining')
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(fetch(tunnel.readinessUrl)).rejects.toThrow()
    socket.write('still here')
    expect(await nextText(socket)).toBe('still here')
    socket.end()
    expect(await tunnel.exited).toBe(0)
    const lines = tunnel.lines.filter((line) => line.includes('connection complete'))
    expect(lines.map((line) => /direction.*/.exec(line)?.[0]?.replace(/ duration=.*/, ''))).toEqual(
      expect.arrayContaining([
        'direction="outbound" bytes_sent=11 bytes_recv=11',
        'direction="inbound" bytes_sent=11 bytes_recv=11',
      ]),
    )
  })

  it('cuts at the deadline what is left, tells so, and exits with 0', async () => {
    await start({ CONNECTION_TERMINATION_DEADLINE: '300ms' })
    const socket = await connect()
    tunnel.process.kill('SIGTERM')
    await once(socket, 'end')
    expect(await tunnel.exited).toBe(0)
    const line = tunnel.lines.find((one) => one.includes('connection complete') && one.includes('direction="outbound"'))
    expect(line).toMatch(
      /^[^\t]+\terror\taccess\tconnection complete\t.*error="connection closed due to connection drain"$/,
    )
  })

  it('drains on /quitquitquit as on a signal, and ends at once on a signal while it drains', async () => {
    await start({ CONNECTION_TERMINATION_DEADLINE: '20s' })
    await connect()
    expect(await (await fetch(`${tunnel.adminUrl}/quitquitquit`, { method: 'POST' })).text()).toBe('shutdown now\n')
    await tunnel.line('draining')
    tunnel.process.kill('SIGINT')
    expect(await tunnel.exited).toBe(0)
  })

  it('cuts the connections of a pod that is deleted, at once, and those of no other', async () => {
    await start()
    const socket = await connect()
    const closed = once(socket, 'end')
    await tunnel.agent.delete('client')
    await closed
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const dump = (await (await fetch(`${tunnel.adminUrl}/config_dump`)).json()) as { workloadState: object }
    expect(Object.keys(dump.workloadState)).toEqual(['server'])
  })

  it('goes on when the agent has gone, is not ready until it is back, and then keeps its pods', async () => {
    await start()
    const socket = await connect()
    await tunnel.restartAgent()
    socket.write('b')
    expect(await nextText(socket)).toBe('b')
    await tunnel.untilReady()
    await connect()
    expect(tunnel.lines.filter((line) => line.includes('pod is served')).length).toBe(2)
  })
})

async function nextText(socket: Socket): Promise<string> {
  const [text] = (await Promise.race([
    once(socket, 'data'),
    once(socket, 'close').then(() => {
      throw new Error('closed')
    }),
  ])) as [string]
  return text
}
