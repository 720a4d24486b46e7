import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { connectSeqPacket, currentNetns, type Netns } from '#shared/sys'
import type { ApiObject } from '../../../src/local/apiserver/index.ts'
import { HostPorts, PortOpener } from '../../../src/local/host-ports/index.ts'
import { ServiceTable } from '../../../src/local/services/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryAccess } from '../../support/memory-access.ts'
import { quietLogger } from '../../support/quiet-logger.ts'
import { serviceObject, sliceObject } from '../../support/services.ts'

const main = resolve(import.meta.dirname, '../../../src/port-opener/main.ts')
const WEB = { group: '', resource: 'services', namespace: 'shop', name: 'web' }

let dir = ''
let child: ChildProcess
let ended: Promise<unknown>
let netns: Netns
let access: MemoryAccess
let table: ServiceTable
let ports: HostPorts
let echo: Server

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-ports-'))
  child = spawn(process.execPath, ['--conditions=source', main, join(dir, 'ports.sock')], { stdio: 'ignore' })
  ended = once(child, 'exit')
  netns = currentNetns()
  access = new MemoryAccess(new FakeClock())
  table = new ServiceTable(access)
  echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const opener = await PortOpener.connect(join(dir, 'ports.sock'), systemClock, new AbortController().signal)
  ports = new HostPorts({
    clock: systemClock,
    logger: quietLogger,
    access,
    table,
    nodes: new Map([['node-a', netns]]),
    opener,
    changed: () => {},
  })
})
afterEach(async () => {
  await ports.close()
  await table.close()
  netns.close()
  echo.close()
  await ended
  rmSync(dir, { recursive: true, force: true })
})

function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new TypeError('no port')
  return address.port
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  await new Promise((closed) => server.close(closed))
  return port
}

/** A service whose one endpoint is the echo server. */
async function serve(spec: object): Promise<void> {
  await access.create(serviceObject('shop/web', spec))
  const endpoints = [{ addresses: ['127.0.0.1'], nodeName: 'node-a' }]
  await access.create(sliceObject('shop/web', 'web-4', [{ name: 'http', port: portOf(echo) }], endpoints))
}

function nodePort(port: number): object {
  return { type: 'NodePort', clusterIP: '10.96.1.0', ports: [{ name: 'http', port: 80, nodePort: port }] }
}

/** What comes back after everything was sent; `reset` when the connection is. */
async function echoed(port: number, sent: Uint8Array): Promise<Buffer | 'refused' | 'reset'> {
  const socket = connect({ port, host: '127.0.0.1' })
  const pieces: Buffer[] = []
  socket.end(sent)
  try {
    for await (const piece of socket) pieces.push(piece as Buffer)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'reset'
  }
  return Buffer.concat(pieces)
}

async function untilOpen(port: number): Promise<void> {
  await expect.poll(() => echoed(port, Buffer.from('x')), { timeout: 5_000 }).toEqual(Buffer.from('x'))
}

const events = (): readonly ApiObject[] => [...access.list({ group: '', resource: 'events', namespace: 'shop' }).items]
const ingress = (): unknown =>
  (access.get(WEB)?.status as { loadBalancer?: { ingress?: unknown } } | undefined)?.loadBalancer?.ingress

describe('a node port', () => {
  it('leads from the loopback of this network to an endpoint, with every byte and both ends', async () => {
    const port = await freePort()
    await serve(nodePort(port))
    await untilOpen(port)
    const bytes = randomBytes(8_000_000)
    const digest = (of: Uint8Array): string => createHash('sha256').update(of).digest('hex')
    const back = await echoed(port, bytes)
    expect(typeof back === 'string' ? back : digest(back)).toBe(digest(bytes))
    expect(ports.problems).toEqual([])
  })

  it('closes with its service, and what is connected goes on', async () => {
    const port = await freePort()
    await serve(nodePort(port))
    await untilOpen(port)
    const held: Socket = connect(port, '127.0.0.1')
    held.write('a')
    await once(held, 'data')
    await access.delete(WEB)
    await expect.poll(() => echoed(port, Buffer.from('x'))).toBe('refused')
    held.write('b')
    const [still] = (await once(held, 'data')) as [Buffer]
    expect(still.toString()).toBe('b')
    held.destroy()
  })

  it('resets who comes while there is no endpoint, or one that refuses', async () => {
    const port = await freePort()
    await serve(nodePort(port))
    await untilOpen(port)
    await new Promise((closed) => echo.close(closed))
    expect(await echoed(port, Buffer.from('x'))).toBe('reset')
    await access.delete({ group: 'discovery.k8s.io', resource: 'endpointslices', namespace: 'shop', name: 'web-4' })
    expect(await echoed(port, Buffer.from('x'))).toBe('reset')
  })

  it('that another program has is told as an event and a problem, and opened when it is free', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = portOf(other)
    await serve(nodePort(port))
    const problem = expect.stringMatching(`127.0.0.1:${port} cannot be opened on this machine .EADDRINUSE.: another`)
    await expect
      .poll(() => ports.problems)
      .toEqual([{ where: 'Service shop/web', line: undefined, path: 'spec.ports[0].nodePort', problem }])
    await expect.poll(events).toMatchObject([
      {
        reason: 'HostPortTaken',
        type: 'Warning',
        message: problem,
        involvedObject: { kind: 'Service', name: 'web' },
      },
    ])
    await new Promise((closed) => other.close(closed))
    await untilOpen(port)
    expect(ports.problems).toEqual([])
  })
})

describe('a load balancer', () => {
  it('has its own port, says so in its status, and takes it back with its type', async () => {
    const port = await freePort()
    await serve({ type: 'LoadBalancer', clusterIP: '10.96.1.0', ports: [{ name: 'http', port }] })
    await untilOpen(port)
    await expect.poll(ingress).toEqual([{ ip: '127.0.0.1', ipMode: 'Proxy', ports: [{ port, protocol: 'TCP' }] }])
    const now = access.get(WEB)
    await access.update({ ...(now as ApiObject), spec: { ...(now?.spec as object), type: 'ClusterIP' } })
    await expect.poll(() => echoed(port, Buffer.from('x'))).toBe('refused')
    await expect.poll(ingress).toBeUndefined()
  })
})

describe('the port opener', () => {
  it('serves its owner only, once, and ends with the one that it serves', async () => {
    // The socket is gone since the first has come.
    await expect.poll(() => statSync(join(dir, 'ports.sock'), { throwIfNoEntry: false })).toBeUndefined()
    expect(() => connectSeqPacket(join(dir, 'ports.sock'))).toThrow('ENOENT')
    expect(child.exitCode).toBeNull()
    await ports.close()
    await ended
    expect(child.exitCode).toBe(0)
  })

  it('that is gone is told, and what is open stays open', async () => {
    const [first, second] = [await freePort(), await freePort()]
    await serve(nodePort(first))
    await untilOpen(first)
    child.kill('SIGKILL')
    await ended
    await access.create(serviceObject('shop/late', nodePort(second)))
    await expect.poll(() => ports.problems).toMatchObject([{ where: 'Service shop/late' }])
    await untilOpen(first)
  })

  it('refuses what is no port, and stays', async () => {
    await ports.close()
    await ended
    const path = join(dir, 'again.sock')
    child = spawn(process.execPath, ['--conditions=source', main, path], { stdio: 'ignore' })
    ended = once(child, 'exit')
    await expect.poll(() => statSync(path, { throwIfNoEntry: false })?.mode).toBe(0o140600)
    const raw = connectSeqPacket(path)
    for (const packet of ['{', '{"port":0}', '{"port":70000}']) {
      await raw.send(Buffer.from(packet))
      const answer = await raw.receive()
      expect(Buffer.from(answer?.bytes ?? []).toString()).toBe('{"kind":"refused","errno":"EINVAL"}')
    }
    await raw.close()
  })
})
