import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { Canceller, Drain } from '#shared/lifecycle'
import type { IpAddress, SocketAddress } from '#shared/net'
import { currentNetns } from '#shared/sys'
import type { LocalPod } from '../../../../src/ztunnel/capture/index.ts'
import { PodDialer, type PodDialerOptions } from '../../../../src/ztunnel/dial/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { ip } from '../../../support/mesh-builder.ts'
import { requirePrivileges } from '../../../support/privileges.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const OPTIONS: PodDialerOptions = {
  clock: systemClock,
  log: quietLogger,
  packetMark: 0,
  keepAlive: undefined,
  sourceKeeping: 'if-possible',
}

describe.runIf(requirePrivileges())('PodDialer', () => {
  const pod: LocalPod = {
    uid: 'pod',
    info: { name: 'pod', namespace: 'default', serviceAccount: 'pod' },
    netns: currentNetns(),
    work: new Drain(systemClock, () => {}),
    belongings: [],
  }
  let server: Server
  let target: SocketAddress

  beforeAll(async () => {
    server = createServer((socket) => socket.end(`hello ${socket.remoteAddress}`))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    target = { ip: ip('127.0.0.1'), port: (server.address() as { readonly port: number }).port }
  })
  afterAll(() => {
    server.close()
    pod.netns.close()
  })

  const read = async (dialer: PodDialer, source?: IpAddress): Promise<string> => {
    const socket = await dialer.connect(pod, { target, source })
    expect(socket.isPaused()).toBe(true)
    let text = ''
    for await (const part of socket.setEncoding('utf8')) text += part
    return text
  }

  it('gives a connected socket of which nothing has been read', async () => {
    expect(await read(new PodDialer(OPTIONS))).toBe('hello 127.0.0.1')
  })

  it('dials from the address that is to be kept, unless it is told never to', async () => {
    const source = ip('127.0.0.77')
    expect(await read(new PodDialer({ ...OPTIONS, sourceKeeping: 'always' }), source)).toBe('hello 127.0.0.77')
    expect(await read(new PodDialer({ ...OPTIONS, sourceKeeping: 'never' }), source)).toBe('hello 127.0.0.1')
  })

  it('dials from the own address when the other cannot be taken, or fails when it must be', async () => {
    const impossible = ip('fd00::1')
    expect(await read(new PodDialer(OPTIONS), impossible)).toBe('hello 127.0.0.1')
    await expect(read(new PodDialer({ ...OPTIONS, sourceKeeping: 'always' }), impossible)).rejects.toMatchObject({
      code: 'SYSCALL_FAILED',
    })
  })

  it('tells of a refusal', async () => {
    const dialled = new PodDialer(OPTIONS).connect(pod, { target: { ...target, port: 1 } })
    await expect(dialled).rejects.toMatchObject({
      code: 'UPSTREAM_CONNECT_FAILED',
      message: 'connect ECONNREFUSED 127.0.0.1:1',
    })
  })

  it('gives up after 10 s without an answer', async () => {
    const clock = new FakeClock()
    // TEST-NET-1 answers nobody; the clock is turned before the machine could say that it has no route.
    const dialled = new PodDialer({ ...OPTIONS, clock }).connect(pod, { target: { ip: ip('192.0.2.1'), port: 80 } })
    const outcome = dialled.catch((error: unknown) => error)
    await settle()
    await clock.advance(10_000)
    expect(await outcome).toMatchObject({
      code: 'UPSTREAM_CONNECT_TIMEOUT',
      message: 'no answer from 192.0.2.1:80 within 10 s',
    })
    expect(clock.pendingTimers).toBe(0)
  })

  it('gives up when it is told to, before or while it dials', async () => {
    const dialer = new PodDialer(OPTIONS)
    const stopped = new Canceller()
    stopped.cancel()
    await expect(dialer.connect(pod, { target }, stopped)).rejects.toThrow('given up')
    const stop = new Canceller()
    const dialled = dialer.connect(pod, { target: { ip: ip('192.0.2.1'), port: 80 } }, stop)
    stop.cancel()
    await expect(dialled).rejects.toMatchObject({ code: 'UPSTREAM_CONNECT_FAILED' })
  })
})
