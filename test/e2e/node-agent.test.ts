import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type IpAddress, parseIp } from '#shared/net'
import { connectSeqPacket, createNetns, type Netns, netnsFromFd, Routes, type SeqPacketConnection } from '#shared/sys'
import { isRedirected } from '../../src/node-agent/redirect/index.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { packetOf, zds } from '../support/zds-wire.ts'

const MAIN = resolve(import.meta.dirname, '../../src/node-agent/main.ts')

describe.runIf(requirePrivileges())('the node agent as a process', () => {
  let root: string
  let netns: Netns
  let healthPort: number
  let adminPort: number
  const running: ChildProcess[] = []

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'ambit-agent-'))
    for (const folder of ['kube', 'netns']) mkdirSync(join(root, folder))
    netns = createNetns()
    new Routes(netns).addAddress({ link: 'lo', ip: parseIp('10.0.0.1') as IpAddress, prefixBits: 32 })
    symlinkSync(`/proc/${process.pid}/fd/${netns.fd}`, join(root, 'netns', 'web-uid'))
    write(pods('ambient'))
    ;[healthPort, adminPort] = await freePorts()
  })

  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    netns.close()
    rmSync(root, { recursive: true, force: true })
  })

  /** A pod whose namespace says so or so, and one on another node. */
  function pods(mode: string): string {
    return `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ${mode}}}
${['web', 'other']
  .map(
    (name) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, uid: ${name}-uid}
spec: {nodeName: node-${name}, serviceAccountName: ${name}, containers: [{name: app, image: app}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
`,
  )
  .join('')}`
  }

  function write(text: string): void {
    writeFileSync(join(root, 'new.yaml'), text)
    renameSync(join(root, 'new.yaml'), join(root, 'kube', 'pods.yaml'))
  }

  function settings(): Record<string, string> {
    return {
      NODE_NAME: 'node-web',
      INPOD_UDS: join(root, 'run', 'ztunnel.sock'),
      AMBIT_KUBE_DIR: join(root, 'kube'),
      AMBIT_NETNS_DIR: join(root, 'netns'),
      AMBIT_AGENT_HEALTH_PORT: String(healthPort),
      AMBIT_AGENT_ADMIN_PORT: String(adminPort),
    }
  }

  function start(env: Record<string, string> = {}, options: { uid?: number; args?: string[] } = {}) {
    const { args = [], ...rest } = options
    const child = spawn(process.execPath, ['--conditions=source', MAIN, ...args], {
      env: { PATH: process.env.PATH ?? '', ...settings(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...rest,
    })
    running.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const exited = once(child, 'close').then(([code]) => code as number)
    return { child, exited, output: () => output }
  }

  async function get(port: number, path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: response.status, body: await response.text() }
  }

  const untilReady = (): Promise<void> =>
    vi.waitFor(async () => expect(await get(healthPort, '/healthz/ready')).toEqual({ status: 200, body: 'ready\n' }), {
      timeout: 10_000,
      interval: 20,
    })

  const pod = async (): Promise<unknown> => JSON.parse((await get(adminPort, '/pods')).body).pods[0]

  async function connectTunnel(): Promise<SeqPacketConnection> {
    const tunnel = connectSeqPacket(join(root, 'run', 'ztunnel.sock'))
    await tunnel.send(zds.hello)
    return tunnel
  }

  it('captures, hands over, lets go, and leaves captured pods captured when it ends', async () => {
    const agent = start()
    await untilReady()
    expect(isRedirected(netns)).toBe(true)
    const tunnel = await connectTunnel()
    const { bytes, fds } = await packetOf(tunnel)
    expect(bytes).toEqual(zds.add('web-uid', 'web', 'shop', 'web'))
    const received = netnsFromFd(fds[0] ?? -1)
    expect(received.id).toBe(netns.id)
    received.close()
    // The rest of the snapshot, and the pod once more, now that this tunnel is the newest.
    await tunnel.send(zds.done)
    expect((await packetOf(tunnel)).bytes).toEqual(zds.snapshotSent)
    await tunnel.send(zds.done)
    netnsFromFd((await packetOf(tunnel)).fds[0] ?? -1).close()
    await tunnel.send(zds.done)
    await vi.waitFor(async () => expect(await pod()).toMatchObject({ uid: 'web-uid', state: 'captured' }))
    expect((await get(healthPort, '/metrics')).body).toContain('ztunnel_connected 1\n')

    write(pods('none'))
    expect((await packetOf(tunnel)).bytes).toEqual(zds.delete('web-uid'))
    await tunnel.send(zds.done)
    await vi.waitFor(async () => expect(await pod()).toBeUndefined())
    expect(isRedirected(netns)).toBe(false)

    write(pods('ambient'))
    netnsFromFd((await packetOf(tunnel)).fds[0] ?? -1).close()
    await tunnel.send(zds.done)
    agent.child.kill('SIGTERM')
    expect(await agent.exited).toBe(0)
    expect(await tunnel.receive()).toBeUndefined()
    expect(isRedirected(netns)).toBe(true)
    await tunnel.close()
  })

  it('keeps the last good state while the YAML cannot be read, and says where it is wrong', async () => {
    const agent = start()
    await untilReady()
    write('kind: Pod\n  metadata: [')
    await vi.waitFor(() => expect(agent.output()).toMatch(/pods\.yaml:\d/), { timeout: 10_000 })
    expect(isRedirected(netns)).toBe(true)
    expect(await pod()).toMatchObject({ uid: 'web-uid', state: 'waiting-for-tunnel' })
  })

  it('goes on after it was killed', async () => {
    const first = start()
    await untilReady()
    first.child.kill('SIGKILL')
    await first.exited
    start()
    await untilReady()
    const tunnel = await connectTunnel()
    const { bytes, fds } = await packetOf(tunnel)
    expect(bytes).toEqual(zds.add('web-uid', 'web', 'shop', 'web'))
    netnsFromFd(fds[0] ?? -1).close()
    await tunnel.close()
  })

  it('names every setting that is wrong', async () => {
    const agent = start({ NODE_NAME: '', AMBIT_VERIFY_INTERVAL: 'soon' }, { args: ['--what=ever'] })
    expect(await agent.exited).toBe(1)
    for (const name of ['NODE_NAME', 'AMBIT_VERIFY_INTERVAL', '--what']) expect(agent.output()).toContain(name)
  })

  it('says in one sentence which privileges are missing and what to do', async () => {
    const agent = start({}, { uid: 65_534 })
    expect(await agent.exited).toBe(1)
    const told = agent
      .output()
      .split('\n')
      .filter((line) => line.includes('missing privileges'))
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(/CAP_NET_ADMIN.*CAP_SYS_ADMIN.*run as root, or .*unshare/)
  })

  it('ends when another agent serves the socket', async () => {
    const first = start()
    await untilReady()
    const second = start({ AMBIT_AGENT_HEALTH_PORT: '0', AMBIT_AGENT_ADMIN_PORT: '0' })
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain('another process serves it')
    expect(first.child.exitCode).toBeNull()
  })

  it('shows its settings as help', async () => {
    const agent = start({}, { args: ['--help'] })
    expect(await agent.exited).toBe(0)
    expect(agent.output()).toContain('AMBIT_NETNS_DIR')
  })
})

/** Two ports that are free now. */
async function freePorts(): Promise<[number, number]> {
  const ports: number[] = []
  const servers = [createServer(), createServer()]
  for (const server of servers) {
    server.listen(0)
    await once(server, 'listening')
    const address = server.address()
    ports.push(typeof address === 'object' && address !== null ? address.port : 0)
  }
  for (const server of servers) server.close()
  return [ports[0] ?? 0, ports[1] ?? 0]
}
