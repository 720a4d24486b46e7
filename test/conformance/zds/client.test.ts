import { readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { createNetns, listenSeqPacket, type Netns, type SeqPacketConnection, type SeqPacketListener } from '#shared/sys'
import { connectZds, type WorkloadInfo, type ZdsHandler } from '#shared/zds'
import { FakeClock } from '../../support/fake-clock.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'
import { ackText, hexBytes, packetOf, socketFolder, zds } from '../../support/zds-wire.ts'

/** Writes down what it is told; `next` says how the next call ends. */
class RecordingHandler implements ZdsHandler {
  readonly calls: string[] = []
  next: () => Promise<void> = async () => {}

  add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void> {
    this.calls.push(`add ${uid} ${info.namespace}/${info.name}/${info.serviceAccount} ${netns.id}`)
    netns.close()
    return this.next()
  }

  keep(uid: string): Promise<void> {
    this.calls.push(`keep ${uid}`)
    return this.next()
  }

  delete(uid: string): Promise<void> {
    this.calls.push(`delete ${uid}`)
    return this.next()
  }

  snapshotSent(): Promise<void> {
    this.calls.push('snapshot sent')
    return this.next()
  }

  disconnected(): void {
    this.calls.push('disconnected')
  }
}

describe.runIf(requirePrivileges())('a tunnel on ZDS', () => {
  let folder: ReturnType<typeof socketFolder>
  let clock: FakeClock
  let handler: RecordingHandler
  let netns: Netns
  let agent: SeqPacketListener
  const broken: MeshError[] = []
  const closers: Closer[] = []

  beforeEach(() => {
    folder = socketFolder()
    clock = new FakeClock()
    handler = new RecordingHandler()
    netns = createNetns()
    agent = listenSeqPacket(folder.path, 0o600)
    broken.length = 0
  })

  afterEach(async () => {
    for (const closer of closers.splice(0).reverse()) await closer.close()
    await agent.close()
    netns.close()
    folder.remove()
  })

  function startTunnel() {
    const tunnel = connectZds({
      path: folder.path,
      handler,
      clock,
      logger: quietLogger,
      onProtocolError: (error) => broken.push(error),
    })
    closers.push(tunnel)
    return tunnel
  }

  /** The agent's end of the next connection, its hello taken. */
  async function accepted(): Promise<SeqPacketConnection> {
    const connection = await agent.accept()
    if (connection === undefined) throw new Error('the listener has ended')
    closers.push(connection)
    expect((await packetOf(connection)).bytes).toEqual(zds.hello)
    return connection
  }

  async function ask(
    connection: SeqPacketConnection,
    packet: Uint8Array,
    fds: readonly number[] = [],
  ): Promise<string> {
    await connection.send(packet, fds)
    return ackText(await packetOf(connection))
  }

  async function connected(): Promise<SeqPacketConnection> {
    startTunnel()
    return accepted()
  }

  it('says hello and acknowledges each request of a snapshot and after it', async () => {
    const connection = await connected()
    await connection.send(zds.add('u1'), [netns.fd])
    expect(Buffer.from((await packetOf(connection)).bytes).toString('hex')).toBe('0a00')
    expect(await ask(connection, zds.keep('u2'))).toBe('')
    expect(await ask(connection, zds.snapshotSent)).toBe('')
    expect(await ask(connection, zds.add('u3', 'cart'), [netns.fd])).toBe('')
    expect(await ask(connection, zds.delete('u1'))).toBe('')
    expect(handler.calls).toEqual([
      `add u1 shop/web/sa ${netns.id}`,
      'keep u2',
      'snapshot sent',
      `add u3 shop/cart/sa ${netns.id}`,
      'delete u1',
    ])
  })

  it('handles one request at a time, in order', async () => {
    const connection = await connected()
    const { promise, resolve } = Promise.withResolvers<void>()
    handler.next = () => promise
    await connection.send(zds.delete('u1'))
    await connection.send(zds.delete('u2'))
    await connection.send(zds.delete('u3'))
    const first = connection.receive()
    await new Promise((settled) => setImmediate(settled))
    expect(handler.calls).toEqual(['delete u1'])
    handler.next = async () => {}
    resolve()
    expect(ackText(await first)).toBe('')
    await packetOf(connection)
    await packetOf(connection)
    expect(handler.calls).toEqual(['delete u1', 'delete u2', 'delete u3'])
  })

  it('answers with what the handler says, cut to a packet, and goes on', async () => {
    const connection = await connected()
    handler.next = () => Promise.reject(new MeshError('SYSCALL_FAILED', 'failure to start proxy : port taken'))
    expect(await ask(connection, zds.add('u1'), [netns.fd])).toBe('failure to start proxy : port taken')
    handler.next = () => Promise.reject(new Error('x'.repeat(5000)))
    expect(await ask(connection, zds.delete('u1'))).toMatch(/^x{800,900}$/)
    handler.next = async () => {}
    expect(await ask(connection, zds.snapshotSent)).toBe('')
    expect(broken).toEqual([])
  })

  it.each([
    { what: 'a keep after the snapshot', packet: zds.keep('u1'), fds: 0, error: /keep after the snapshot/ },
    { what: 'a second snapshot', packet: zds.snapshotSent, fds: 0, error: /a second snapshot/ },
    { what: 'an add without workload_info', packet: zds.addWithoutInfo('u1'), fds: 1, error: /without workload_info/ },
  ])('answers $what with an error and gives up for good', async ({ packet, fds, error }) => {
    const connection = await connected()
    expect(await ask(connection, zds.snapshotSent)).toBe('')
    const before = openDescriptors()
    const answer = await ask(connection, packet, new Array(fds).fill(netns.fd))
    expect(answer).toMatch(/^failure to process message : /)
    expect(answer).toMatch(error)
    expect(await connection.receive()).toBeUndefined()
    expect(broken).toMatchObject([{ code: 'ZDS_PROTOCOL_ERROR' }])
    // The tunnel's own end is closed too.
    expect(openDescriptors()).toBe(before - 1)
    await clock.advance(60_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it.each([
    { what: 'a packet longer than 1024 bytes', packet: zds.delete('u'.repeat(1100)), fds: 0 },
    { what: 'a packet that is no protocol buffer', packet: hexBytes('ffffff'), fds: 0 },
    { what: 'a packet without payload', packet: hexBytes('2200'), fds: 0 },
    { what: 'a descriptor with a delete', packet: zds.delete('u1'), fds: 1 },
    { what: 'an add without descriptor', packet: zds.add('u1'), fds: 0 },
    { what: 'an add with two descriptors', packet: zds.add('u1'), fds: 2 },
    { what: 'a descriptor with a packet that cannot be read', packet: hexBytes('ffffff'), fds: 3 },
  ])('answers $what with an error, keeps no descriptor of it, and connects anew', async ({ packet, fds }) => {
    const connection = await connected()
    expect(await ask(connection, zds.snapshotSent)).toBe('')
    const before = openDescriptors()
    const answer = await ask(connection, packet, new Array(fds).fill(netns.fd))
    expect(answer).toMatch(/^failure to read message : /)
    expect(await connection.receive()).toBeUndefined()
    expect(openDescriptors()).toBe(before - 1)
    expect(handler.calls).toEqual(['snapshot sent', 'disconnected'])
    const again = accepted()
    await clock.advance(6)
    expect(await ask(await again, zds.keep('u1'))).toBe('')
    expect(broken).toEqual([])
  })

  it('keeps no descriptor of an agent that sends garbage on one connection after the other, and takes the next snapshot', async () => {
    startTunnel()
    const before = openDescriptors()
    for (let i = 0; i < 50; i++) {
      const connection = await accepted()
      const garbage = i % 2 === 0 ? hexBytes('ff'.repeat(i + 1)) : zds.delete('u'.repeat(1100))
      expect(await ask(connection, garbage, [netns.fd, netns.fd])).toMatch(/^failure to read message : /)
      await connection.close()
      while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(18_000)
    }
    const last = await accepted()
    expect(await ask(last, zds.keep('u1'))).toBe('')
    expect(await ask(last, zds.snapshotSent)).toBe('')
    expect(openDescriptors()).toBeLessThanOrEqual(before + 2)
    expect(broken).toEqual([])
  })

  it('refuses a descriptor that is no network namespace', async () => {
    const connection = await connected()
    const answer = await ask(connection, zds.add('u1'), [0])
    expect(answer).toMatch(/^failure to read message : /)
  })

  it('connects again at once when a connection that worked has ended, and begins a new snapshot', async () => {
    const first = await connected()
    expect(await ask(first, zds.snapshotSent)).toBe('')
    await first.close()
    const second = await accepted()
    expect(await ask(second, zds.keep('u1'))).toBe('')
    expect(await ask(second, zds.snapshotSent)).toBe('')
    expect(handler.calls).toEqual(['snapshot sent', 'disconnected', 'keep u1', 'snapshot sent'])
  })

  it('waits 500 ms, then twice as long each time, after connections that end without a word', async () => {
    startTunnel()
    for (const waitMs of [500, 1000, 2000]) {
      await (await accepted()).close()
      while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(waitMs - 1)
      expect(clock.pendingTimers).toBe(1)
      await clock.advance(1)
      expect(clock.pendingTimers).toBe(0)
    }
    expect(handler.calls).toEqual(['disconnected', 'disconnected', 'disconnected'])
  })

  it('tries to connect after 20 ms, then twice as long each time up to 15 s, until the agent is there', async () => {
    await agent.close()
    const tunnel = startTunnel()
    let elapsedMs = 0
    for (let waitMs = 20; elapsedMs < 60_000; waitMs = Math.min(waitMs * 2, 15_000)) {
      await clock.advance(waitMs)
      elapsedMs += waitMs
      expect(clock.pendingTimers).toBe(1)
    }
    expect(tunnel.isConnected).toBe(false)
    agent = listenSeqPacket(folder.path, 0o600)
    await clock.advance(14_999)
    const connection = accepted()
    expect(await isSettled(connection)).toBe(false)
    await clock.advance(1)
    await connection
    expect(tunnel.isConnected).toBe(true)
  })

  it('stops waiting, connecting and serving when it is closed', async () => {
    const tunnel = startTunnel()
    const connection = await accepted()
    await tunnel.close()
    await tunnel.close()
    expect(await connection.receive()).toBeUndefined()
    expect(handler.calls).toEqual([])
    await clock.advance(60_000)
    expect(clock.pendingTimers).toBe(0)
  })
})

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(() => resolve('pending')))
  return (await Promise.race([promise.then(() => 'settled'), turn])) === 'settled'
}
