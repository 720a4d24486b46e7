import { once } from 'node:events'
import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { Drain, type DrainOrder } from '#shared/lifecycle'
import { formatSocketAddress, type OnRead } from '#shared/net'
import { connectFrom, createNetns, listenIn, type Netns, Routes } from '#shared/sys'
import {
  type CapturedConnection,
  type CapturedTunnel,
  type CaptureSettings,
  type LocalPod,
  PodListeners,
  type PodListenersOptions,
} from '../../../../src/ztunnel/capture/index.ts'
import { ip } from '../../../support/mesh-builder.ts'
import { requirePrivileges } from '../../../support/privileges.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const SETTINGS: CaptureSettings = {
  outboundPort: 15_001,
  plaintextPort: 15_006,
  hbonePort: 15_008,
  isIpv6Enabled: true,
  packetMark: 0x539,
  isPortShared: true,
  isSourceKept: true,
  keepAlive: { idleMs: 180_000, intervalMs: 180_000, probes: 9 },
}

describe.runIf(requirePrivileges())('PodListeners', () => {
  let netns: Netns
  let pod: LocalPod
  let captured: { readonly way: string; readonly connection: CapturedConnection }[]
  let tunnels: CapturedTunnel[]
  let next: PromiseWithResolvers<void>
  const open: { close(): unknown }[] = []

  beforeEach(() => {
    netns = createNetns()
    new Routes(netns).setUp('lo')
    pod = {
      uid: 'pod',
      info: { name: 'pod', namespace: 'default', serviceAccount: 'pod' },
      netns,
      work: new Drain(systemClock, (work) => work.cut('drain')),
      belongings: [],
    }
    captured = []
    tunnels = []
    next = Promise.withResolvers()
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
    netns.close()
  })

  const listen = (
    change: Partial<CaptureSettings> = {},
    maxWork?: number,
    openDns?: PodListenersOptions['openDns'],
  ) => {
    const overflows = { value: 0 }
    const came = (way: string) => (connection: CapturedConnection) => {
      captured.push({ way, connection })
      next.resolve()
    }
    const listeners = new PodListeners(pod, {
      settings: { ...SETTINGS, ...change },
      handlers: {
        outbound: came('out'),
        plaintext: came('in'),
        tunnel: (tunnel) => {
          tunnels.push(tunnel)
          next.resolve()
        },
      },
      log: quietLogger,
      overflows,
      openDns,
      ...(maxWork === undefined ? {} : { maxWork }),
    })
    open.push(listeners)
    return { listeners, overflows }
  }
  const connect = (port: number, address = '127.0.0.1'): Socket => {
    const socket = connectFrom(netns, { ip: ip(address), port }).on('error', () => {})
    open.push({ close: () => socket.destroy() })
    return socket
  }

  it.each([
    ['out', '127.0.0.1', 15_001],
    ['in', '::1', 15_006],
  ])('hands over what comes by the way %s, with both addresses, IPv4 as IPv4', async (way, address, port) => {
    listen()
    const socket = connect(port, address)
    await next.promise
    const { connection } = captured[0] ?? expect.unreachable()
    expect(captured[0]?.way).toBe(way)
    expect(connection.source).toEqual({ ip: address, port: socket.localPort })
    // Without a redirect the connection went where it came to.
    expect(connection.originalDestination).toEqual({ ip: address, port })
  })

  it('hands over tunnels with the address they came to', async () => {
    listen()
    connect(15_008)
    await next.promise
    expect(tunnels.map(({ acceptedOn }) => formatSocketAddress(acceptedOn))).toEqual(['127.0.0.1:15008'])
    tunnels[0]?.socket.destroy()
  })

  it('reads into the buffers of whoever adopts, from the first byte on', async () => {
    listen()
    connect(15_001).end('hello')
    await next.promise
    const { promise, resolve } = Promise.withResolvers<string>()
    const buffer = Buffer.alloc(16)
    const onread: OnRead = {
      buffer: () => buffer,
      callback: (bytes) => {
        resolve(buffer.toString('utf8', 0, bytes))
        return true
      },
    }
    const adopted = captured[0]?.connection.accepted.adopt(onread)
    adopted?.resume()
    expect(await promise).toBe('hello')
    adopted?.destroy()
  })

  it.each([
    ['reset', 'ECONNRESET'],
    ['close', undefined],
  ] as const)('lets the application see a %s as it is', async (how, code) => {
    listen()
    const socket = connect(15_001)
    const seen = new Promise<string | undefined>((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      socket.on('end', () => resolve(undefined))
    })
    socket.resume()
    await next.promise
    captured[0]?.connection.accepted[how]()
    expect(await seen).toBe(code)
  })

  it('resets and counts what comes when the pod has too much open already', async () => {
    const { overflows } = listen({}, 1)
    const work = { seat: -1, cut: () => pod.work.leave(work) }
    pod.work.enter(work)
    const socket = connect(15_001).resume()
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect(overflows.value).toBe(1)
    expect(captured).toEqual([])
  })

  it('opens nothing when a port is taken by one that does not share it', () => {
    const own = (port: number): void => {
      const fd = listenIn(netns, { ip: ip('::'), port })
      open.push({ close: () => closeSync(fd) })
    }
    own(15_008)
    expect(() => listen()).toThrow('EADDRINUSE')
    expect(() => own(15_001)).not.toThrow()
  })

  it('opens nothing when DNS cannot be served', async () => {
    const openDns = (): never => {
      throw new Error('port 15053 is taken')
    }
    expect(() => listen({}, undefined, openDns)).toThrow('port 15053 is taken')
    const [error] = await once(connect(15_001), 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('drains what serves DNS with the rest', async () => {
    const orders: DrainOrder[] = []
    const { listeners } = listen({}, undefined, () => ({ drain: async (order) => void orders.push(order) }))
    const order: DrainOrder = { mode: 'graceful', deadlineMs: 1000 }
    await listeners.drain(order)
    expect(orders).toEqual([order])
  })

  it('listens beside another tunnel that shares its ports, and alone when it must not share', () => {
    listen()
    expect(() => listen()).not.toThrow()
    expect(() => listen({ isPortShared: false })).toThrow('EADDRINUSE')
  })

  it('takes IPv4 only when IPv6 is off', async () => {
    listen({ isIpv6Enabled: false })
    const [error] = await once(connect(15_001, '::1'), 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    connect(15_001)
    await next.promise
    expect(captured.length).toBe(1)
  })

  it('takes nothing more once it drains', async () => {
    const { listeners } = listen()
    await listeners.drain({ mode: 'graceful', deadlineMs: 1000 })
    const [error] = await once(connect(15_001), 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })
})
