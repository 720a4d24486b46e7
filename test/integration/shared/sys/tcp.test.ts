import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cidr, type IpAddress, parseCidr, parseIp } from '#shared/net'
import {
  connectFrom,
  createNetns,
  currentNetns,
  listenHere,
  listenIn,
  type Netns,
  originalDestination,
  Routes,
} from '#shared/sys'
import { requirePrivileges } from '../../../support/privileges.ts'
import { fdOf } from '../../../support/socket-fd.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const PORT_RANGE = '/proc/sys/net/ipv4/ip_local_port_range'
const openDescriptors = (): number => readdirSync('/proc/self/fd').length

describe.runIf(requirePrivileges())('sockets in another network namespace', () => {
  let pod: Netns
  const servers: Server[] = []

  /** Serves `fd`, telling each accepted socket's peer and greeting it. */
  async function serve(fd: number): Promise<{ accepted: Socket[] }> {
    const accepted: Socket[] = []
    const server = createServer((socket) => {
      accepted.push(socket)
      socket.end('hello')
    })
    servers.push(server)
    server.listen({ fd })
    await once(server, 'listening')
    return { accepted }
  }

  async function textOf(socket: Socket): Promise<string> {
    let text = ''
    socket.setEncoding('utf8')
    for await (const chunk of socket) text += chunk
    socket.end()
    return text
  }

  beforeAll(() => {
    pod = createNetns()
    const routes = new Routes(pod)
    routes.setUp('lo')
    // A foreign source address is answered only if its packets come back to this namespace's loopback.
    for (const destination of [parseCidr('203.0.113.0/24'), parseCidr('2001:db8::/64')] as Cidr[]) {
      routes.addRoute({ type: 'local', destination, via: undefined, link: 'lo', table: 254 })
    }
  })

  afterAll(() => {
    for (const server of servers) server.close()
    pod.close()
  })

  it('listens where this program itself is', async () => {
    const fd = listenHere({ ip: ip('127.0.0.1'), port: 0 })
    await serve(fd)
    const address = servers.at(-1)?.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    expect(await textOf(connect({ host: '127.0.0.1', port }))).toBe('hello')
    expect(() => listenHere({ ip: ip('127.0.0.1'), port })).toThrow('EADDRINUSE')
  })

  it('listens inside, where the outside cannot reach it', async () => {
    await serve(listenIn(pod, { ip: ip('::'), port: 8080, mark: 0x539, transparent: true, reusePort: true }))
    expect(await textOf(connectFrom(pod, { ip: ip('127.0.0.1'), port: 8080 }))).toBe('hello')
    expect(await textOf(connectFrom(pod, { ip: ip('::1'), port: 8080 }))).toBe('hello')
    const outside = connect({ host: '127.0.0.1', port: 8080 })
    const [error] = await once(outside, 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it.each([
    { family: 'IPv4', listen: '0.0.0.0', target: '127.0.0.1', source: '203.0.113.7' },
    { family: 'IPv6', listen: '::', target: '::1', source: '2001:db8::7' },
    { family: 'IPv4 at a dual-stack listener', listen: '::', target: '127.0.0.1', source: '203.0.113.8' },
  ])('speaks from a foreign $family address and port', async ({ listen, target, source }) => {
    const port = 9000 + servers.length
    const { accepted } = await serve(listenIn(pod, { ip: ip(listen), port }))
    const socket = connectFrom(pod, { ip: ip(target), port }, { mark: 0x539, source: ip(source) })
    expect(await textOf(socket)).toBe('hello')
    const peer = accepted[0]
    expect(parseIp(peer?.remoteAddress ?? '')).toBe(source)
    expect(originalDestination(fdOf(peer))).toEqual({ ip: target, port })
  })

  it('reads into the caller’s buffers from the first byte on', async () => {
    const port = 9000 + servers.length
    await serve(listenIn(pod, { ip: ip('0.0.0.0'), port }))
    const buffer = Buffer.alloc(16)
    const read = await new Promise<string>((resolve, reject) => {
      const onread = {
        buffer: () => buffer,
        callback: (bytes: number, into: Uint8Array) => {
          resolve(`${bytes} ${into === buffer} ${buffer.toString('utf8', 0, bytes)}`)
          return true
        },
      }
      connectFrom(pod, { ip: ip('127.0.0.1'), port }, { onread })
        .on('error', reject)
        .resume()
    })
    expect(read).toBe('5 true hello')
  })

  it('arms a keepalive timer when asked', async () => {
    const port = 9000 + servers.length
    await serve(listenIn(pod, { ip: ip('0.0.0.0'), port }))
    const socket = connectFrom(
      pod,
      { ip: ip('127.0.0.1'), port },
      { keepAlive: { idleMs: 180_000, intervalMs: 180_000, probes: 9 } },
    )
    await once(socket, 'connect')
    const table = pod.run(() => readFileSync('/proc/thread-self/net/tcp', 'utf8'))
    const peer = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
    const line = table.split('\n').find((entry) => entry.trim().split(/\s+/)[2] === peer)
    // The timer field: 02 is a keepalive timer.
    expect(line?.trim().split(/\s+/)[5]).toMatch(/^02:/)
    expect(await textOf(socket)).toBe('hello')
  })

  it('takes a port again soon after its connection has ended, when it goes through loopback', async () => {
    const PORTS = 4
    const port = 9000 + servers.length
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('end', () => socket.end()).resume())
    servers.push(server)
    server.listen({ fd: listenIn(pod, { ip: ip('0.0.0.0'), port }) })
    await once(server, 'listening')
    /** One connection that its client ends first; gives the error that it met. */
    const visit = async (source: string, throughLoopback: boolean): Promise<string | undefined> => {
      const socket = connectFrom(pod, { ip: ip('203.0.113.50'), port }, { source: ip(source), throughLoopback })
      const ended = once(socket, 'close')
      socket.once('connect', () => socket.resume().end())
      return ended.then(
        () => undefined,
        (error: NodeJS.ErrnoException) => error.code,
      )
    }
    const [kept, freed] = ['203.0.113.60', '203.0.113.61']
    const ports = pod.run(() => readFileSync(PORT_RANGE, 'utf8'))
    pod.run(() => {
      writeFileSync(PORT_RANGE, `40000 ${40_000 + PORTS - 1}`)
      writeFileSync('/proc/sys/net/ipv4/tcp_tw_reuse', '2')
    })
    try {
      for (let i = 0; i < PORTS; i++) {
        expect([await visit(kept, false), await visit(freed, true)]).toEqual([undefined, undefined])
      }
      expect(await visit(kept, false)).toBe('EADDRNOTAVAIL')
      await expect.poll(() => visit(freed, true), { timeout: 10_000 }).toBeUndefined()
      expect(await visit(kept, false)).toBe('EADDRNOTAVAIL')
    } finally {
      pod.run(() => writeFileSync(PORT_RANGE, ports))
    }
  })

  it.each([
    { way: 'also where IPv4 would be kept to loopback', throughLoopback: true },
    { way: 'as its routes say', throughLoopback: false },
  ])('speaks IPv6 from a foreign address, $way', async ({ throughLoopback }) => {
    const port = 9000 + servers.length
    const { accepted } = await serve(listenIn(pod, { ip: ip('::'), port }))
    const options = { mark: 0x539, source: ip('2001:db8::9'), throughLoopback }
    const socket = connectFrom(pod, { ip: ip('2001:db8::50'), port }, options)
    expect(await textOf(socket)).toBe('hello')
    expect(accepted[0]?.remoteAddress).toBe('2001:db8::9')
  })

  it('reports a refused connection on the socket', async () => {
    const [error] = await once(connectFrom(pod, { ip: ip('127.0.0.1'), port: 1 }), 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it.each([
    { what: 'a port that is taken', act: (): unknown => listenIn(pod, { ip: ip('::'), port: 8080 }) },
    { what: 'an address that is not there', act: (): unknown => listenIn(pod, { ip: ip('192.0.2.1'), port: 1 }) },
    {
      what: 'a source of the other family',
      act: (): unknown => connectFrom(pod, { ip: ip('::1'), port: 1 }, { source: ip('127.0.0.1') }),
    },
  ])('throws for $what and leaves no descriptor open', ({ act }) => {
    const before = openDescriptors()
    expect(act).toThrow(expect.objectContaining({ code: 'SYSCALL_FAILED' }))
    expect(openDescriptors()).toBe(before)
  })

  it('lets two listeners share a port when both ask for it', async () => {
    const both = [1, 2].map(() => listenIn(pod, { ip: ip('::'), port: 8090, reusePort: true }))
    for (const fd of both) await serve(fd)
    expect(await textOf(connectFrom(pod, { ip: ip('::1'), port: 8090 }))).toBe('hello')
  })

  it('comes back after work that throws, and after nested namespaces', () => {
    const home = currentNetns()
    const inner = createNetns()
    const here = (): string => {
      const netns = currentNetns()
      netns.close()
      return netns.id
    }
    expect(() =>
      pod.run(() => {
        throw new Error('inside')
      }),
    ).toThrow('inside')
    expect(here()).toBe(home.id)
    expect(pod.run(() => [inner.run(here), here()])).toEqual([inner.id, pod.id])
    expect(pod.run(() => createNetns()).id).not.toBe(pod.id)
    expect(here()).toBe(home.id)
    inner.close()
    expect(() => inner.run(here)).toThrow(expect.objectContaining({ errno: 'EBADF' }))
  })
})
