import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { toTcpFrame } from '#shared/dns'
import { Drain, IMMEDIATE_DRAIN } from '#shared/lifecycle'
import { createNetns, datagramsFrom, type Netns, Routes, receiveIn, setNetSysctl } from '#shared/sys'
import type { LocalPod, PodWork } from '../../../../src/ztunnel/capture/index.ts'
import { PodDns, type PodDnsOptions } from '../../../../src/ztunnel/dns/pod-dns.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { ip } from '../../../support/mesh-builder.ts'
import { PodNetwork, type TestPod } from '../../../support/pod-network.ts'
import { requirePrivileges } from '../../../support/privileges.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const PORT = 15_053

describe.runIf(requirePrivileges())('the DNS listeners of a pod', () => {
  let network: PodNetwork
  let pod: TestPod
  let opened: PodDns[]
  /** Questions that have not been answered. */
  let pending: { readonly packet: string; readonly answer: (text: string) => void; readonly signal: AbortSignal }[]
  const proxy: PodDnsOptions['proxy'] = {
    ask: ({ signal }, packet) =>
      new Promise((resolve) => {
        const answer = (text: string): void => resolve(Buffer.from(text))
        pending.push({ packet: Buffer.from(packet).toString(), answer, signal })
      }),
  }

  beforeEach(() => {
    network = new PodNetwork()
    pod = network.pod('client')
    opened = []
    pending = []
  })
  afterEach(async () => {
    await Promise.all(opened.map((each) => each.close()))
    network.close()
  })

  const localPod = (netns: Netns): LocalPod => ({
    uid: 'client',
    info: { name: 'client', namespace: 'default', serviceAccount: 'default' },
    netns,
    work: new Drain<PodWork>(
      systemClock,
      (work) => work.cut('drain'),
      (work, order) => work.drain?.(order),
    ),
    belongings: [],
  })
  const open = (at: LocalPod = localPod(pod.netns), options: Partial<PodDnsOptions> = {}): PodDns => {
    const dns = new PodDns(at, {
      proxy,
      clock: systemClock,
      log: quietLogger,
      port: PORT,
      isIpv6Enabled: true,
      packetMark: 0x539,
      isPortShared: true,
      connections: { open: 0 },
      ...options,
    })
    opened.push(dns)
    return dns
  }
  /** Local addresses with that port, as the namespace has them. */
  const listeners = (netns: Netns): readonly string[] =>
    netns.run(() =>
      ['udp', 'udp6', 'tcp', 'tcp6'].flatMap((table) =>
        readFileSync(`/proc/thread-self/net/${table}`, 'utf8')
          .split('\n')
          .filter((line) => line.trim().split(/\s+/)[1]?.endsWith(':3ACD') && !line.includes(' 06 '))
          .map(() => table),
      ),
    )
  const askByUdp = (text: string, server = '127.0.0.1') => {
    const socket = datagramsFrom(pod.netns, server === '::1' ? 6 : 4)
    socket.send(text, PORT, server)
    return once(socket, 'message').then(([reply]) => {
      socket.close()
      return String(reply)
    })
  }
  const connected = async (): Promise<Socket> => {
    const socket = pod.connect('127.0.0.1', PORT)
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  it('are UDP and TCP on both loopback addresses, and nowhere else', async () => {
    const dns = open()
    expect(listeners(pod.netns)).toEqual(['udp', 'udp6', 'tcp', 'tcp6'])
    const { ip: outside } = pod
    await expect(once(pod.connect(outside, PORT), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    for (const server of ['127.0.0.1', '::1']) {
      const asking = askByUdp(`by ${server}`, server)
      await expect.poll(() => pending.length).toBe(1)
      pending.pop()?.answer('yes')
      expect(await asking).toBe('yes')
    }
    await dns.close()
    await expect.poll(() => listeners(pod.netns)).toEqual([])
  })

  it.each([
    ['the settings are without it', false, '0'],
    ['its loopback has none', true, '1'],
  ])('are of IPv4 alone when %s', (_, isIpv6Enabled, isDisabled) => {
    const netns = createNetns()
    const lo = new Routes(netns)
    setNetSysctl(netns, 'ipv6/conf/lo/disable_ipv6', isDisabled)
    lo.setUp('lo')
    open(localPod(netns), { isIpv6Enabled })
    expect(listeners(netns)).toEqual(['udp', 'tcp'])
    netns.close()
  })

  it('are opened wholly or not at all', () => {
    const taken = receiveIn(pod.netns, { ip: ip('::1'), port: PORT })
    expect(() => open()).toThrow('bind [::1]:15053 for UDP: EADDRINUSE')
    expect(listeners(pod.netns)).toEqual(['udp6'])
    taken.close()
  })

  it('stand beside those of the next tunnel, but let nobody else have the port', async () => {
    open()
    open()
    expect(() => receiveIn(pod.netns, { ip: ip('127.0.0.1'), port: PORT })).toThrow('EADDRINUSE')
  })

  it('reset connections beyond 64', async () => {
    const connections = { open: 0 }
    open(localPod(pod.netns), { connections })
    const sockets = await Promise.all(Array.from({ length: 64 }, connected))
    await expect.poll(() => connections.open).toBe(64)
    const extra = pod.connect('127.0.0.1', PORT)
    const [error] = await once(extra, 'error').catch((reason: unknown) => [reason])
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => connections.open).toBe(0)
  })

  it('answer what they were asked before they drain, by both transports, and end', async () => {
    const local = localPod(pod.netns)
    const dns = open(local)
    const asking = askByUdp('udp')
    const socket = await connected()
    socket.write(toTcpFrame(Buffer.from('tcp')))
    await expect.poll(() => pending.length).toBe(2)
    const order = { mode: 'graceful', deadlineMs: 60_000 } as const
    const drained = Promise.all([dns.drain(order), local.work.drain(order)])
    await expect(connected()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const received = once(socket, 'data')
    const ended = once(socket, 'end')
    for (const { packet, answer } of pending) answer(`re: ${packet}`)
    expect(await asking).toBe('re: udp')
    expect(String((await received)[0]).slice(2)).toBe('re: tcp')
    await ended
    socket.end()
    await drained
    await expect.poll(() => listeners(pod.netns)).toEqual([])
  })

  it('do not give up what a connection has asked while they drain', async () => {
    const dns = open()
    const socket = await connected()
    socket.write(toTcpFrame(Buffer.from('tcp')))
    await expect.poll(() => pending.length).toBe(1)
    const drained = dns.drain({ mode: 'graceful', deadlineMs: 60_000 })
    expect(pending[0]?.signal.aborted).toBe(false)
    const received = once(socket, 'data')
    pending[0]?.answer('re: tcp')
    expect(String((await received)[0]).slice(2)).toBe('re: tcp')
    await drained
    socket.destroy()
  })

  it('wait no longer than 2 s for answers when they drain', async () => {
    const clock = new FakeClock()
    const dns = open(localPod(pod.netns), { clock })
    const asking = datagramsFrom(pod.netns, 4)
    asking.send('udp', PORT, '127.0.0.1')
    await expect.poll(() => pending.length).toBe(1)
    const drained = dns.drain({ mode: 'graceful', deadlineMs: 60_000 })
    await clock.advance(2000)
    await drained
    expect(pending[0]?.signal.aborted).toBe(true)
    asking.close()
  })

  it('give up what is being asked when they end at once', async () => {
    const dns = open()
    const asking = datagramsFrom(pod.netns, 4)
    asking.send('udp', PORT, '127.0.0.1')
    await expect.poll(() => pending.length).toBe(1)
    await dns.drain(IMMEDIATE_DRAIN)
    expect(pending[0]?.signal.aborted).toBe(true)
    asking.close()
  })
})
