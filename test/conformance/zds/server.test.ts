import { closeSync, fstatSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Closer } from '#shared/lifecycle'
import { connectSeqPacket, createNetns, type Netns, type SeqPacketConnection } from '#shared/sys'
import { serveZds, type ZdsPod, type ZdsServer } from '#shared/zds'
import { FakeClock } from '../../support/fake-clock.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'
import { hexBytes, packetOf, socketFolder, zds } from '../../support/zds-wire.ts'

describe.runIf(requirePrivileges())('the node agent on ZDS', () => {
  let folder: ReturnType<typeof socketFolder>
  let clock: FakeClock
  let netns: Netns
  let server: ZdsServer
  let tunnelChanges = 0
  const closers: Closer[] = []

  beforeEach(() => {
    folder = socketFolder()
    clock = new FakeClock()
    netns = createNetns()
    tunnelChanges = 0
  })

  afterEach(async () => {
    for (const closer of closers.splice(0).reverse()) await closer.close()
    netns.close()
    folder.remove()
  })

  const pod = (uid: string, namespaceOfPod = netns): ZdsPod => ({
    uid,
    info: { name: 'web', namespace: 'shop', serviceAccount: 'sa' },
    netns: namespaceOfPod,
  })

  function start(...pods: ZdsPod[]): void {
    const onTunnels = () => void tunnelChanges++
    server = serveZds({ path: folder.path, pods, clock, logger: quietLogger, onTunnels })
    closers.push(server)
  }

  /** Connects, without a word yet. Between two connections the agent pauses, so time goes on. */
  async function connect(): Promise<SeqPacketConnection> {
    const connection = connectSeqPacket(folder.path)
    closers.push(connection)
    await turn()
    await clock.advance(200)
    return connection
  }

  /** The next request, acknowledged; the descriptor that came with it is checked and closed. */
  async function take(tunnel: SeqPacketConnection, answer = zds.done): Promise<Uint8Array> {
    const { bytes, fds } = await packetOf(tunnel)
    for (const fd of fds) {
      expect(`${fstatSync(fd).dev}:${fstatSync(fd).ino}`).toBe(netns.id)
      closeSync(fd)
    }
    expect(fds).toHaveLength(bytes[0] === 0x0a ? 1 : 0)
    await tunnel.send(answer)
    return bytes
  }

  /** A tunnel that has said hello and taken a snapshot of so many pods. */
  async function connectTunnel(podCount = 0): Promise<SeqPacketConnection> {
    const tunnel = await connect()
    await tunnel.send(zds.hello)
    for (let i = 0; i < podCount; i++) await take(tunnel)
    expect(await take(tunnel)).toEqual(zds.snapshotSent)
    await turn()
    return tunnel
  }

  it('gives a tunnel its snapshot, one request at a time, each after the answer to the last', async () => {
    start(pod('u1'), { ...pod('u2'), netns: undefined }, pod('u3'))
    const tunnel = await connect()
    await tunnel.send(zds.hello)
    for (const expected of [zds.add('u1'), zds.keep('u2'), zds.add('u3'), zds.snapshotSent]) {
      const { bytes, fds } = await packetOf(tunnel)
      for (const fd of fds) closeSync(fd)
      expect(bytes).toEqual(expected)
      expect(await isSilent(tunnel)).toBe(true)
      await tunnel.send(zds.done)
    }
    await turn()
    expect(tunnelChanges).toBe(1)
    expect(server.tunnelCount).toBe(1)
  })

  it('gives a tunnel 2,000 pods in a snapshot, one after the other', async () => {
    start(...Array.from({ length: 2_000 }, (_, i) => pod(`u${i}`)))
    await connectTunnel(2_000)
    expect(server.tunnelCount).toBe(1)
  })

  it('sends the snapshot on although a pod of it is refused', async () => {
    start(pod('u1'), pod('u2'))
    const tunnel = await connect()
    await tunnel.send(zds.hello)
    await take(tunnel, zds.refused('failure to start proxy : port taken'))
    await take(tunnel)
    expect(await take(tunnel)).toEqual(zds.snapshotSent)
  })

  it('waits for the hello before it says anything, and not longer than 5 s', async () => {
    start(pod('u1'))
    const tunnel = await connect()
    expect(await isSilent(tunnel)).toBe(true)
    await clock.advance(4799)
    expect(await isSilent(tunnel)).toBe(true)
    await clock.advance(1)
    expect(await tunnel.receive()).toBeUndefined()
  })

  it.each([
    { what: 'another version', hello: hexBytes('0802') },
    { what: 'no version', hello: hexBytes('1000') },
    { what: 'something else', hello: hexBytes('ffff') },
    { what: 'too much', hello: new Uint8Array(1025) },
  ])('ends a connection that begins with $what', async ({ hello }) => {
    start()
    const tunnel = await connect()
    await tunnel.send(hello)
    expect(await tunnel.receive()).toBeUndefined()
    expect(server.tunnelCount).toBe(0)
  })

  it('tells a new pod to the newest tunnel and the end of one to all', async () => {
    start()
    const older = await connectTunnel()
    const newer = await connectTunnel()
    const added = server.add(pod('u1'))
    expect(await take(newer)).toEqual(zds.add('u1'))
    await added
    expect(await isSilent(older)).toBe(true)
    const deleted = server.delete('u1')
    expect(await take(newer)).toEqual(zds.delete('u1'))
    expect(await take(older)).toEqual(zds.delete('u1'))
    await deleted
  })

  it('tells the older tunnel when the newer is gone', async () => {
    start()
    const older = await connectTunnel()
    await (await connectTunnel()).close()
    await turn()
    expect(server.tunnelCount).toBe(1)
    expect(tunnelChanges).toBe(3)
    const added = server.add(pod('u1'))
    expect(await take(older)).toEqual(zds.add('u1'))
    await added
  })

  it('says what the tunnel has against a pod, and keeps the connection', async () => {
    start()
    const tunnel = await connectTunnel()
    const added = server.add(pod('u1'))
    await take(tunnel, zds.refused('failure to start proxy : port taken'))
    await expect(added).rejects.toMatchObject({ code: 'ZDS_REFUSED', message: expect.stringContaining('port taken') })
    const again = server.add(pod('u1'))
    await take(tunnel)
    await again
  })

  it('puts a pod into later snapshots although there is no tunnel yet, until it is deleted', async () => {
    start()
    for (const uid of ['u1', 'u2']) {
      await expect(server.add(pod(uid))).rejects.toMatchObject({ code: 'ZDS_UNAVAILABLE' })
    }
    await server.delete('u1')
    const tunnel = await connect()
    await tunnel.send(zds.hello)
    expect(await take(tunnel)).toEqual(zds.add('u2'))
    expect(await take(tunnel)).toEqual(zds.snapshotSent)
  })

  it('queues what happens during a snapshot behind it', async () => {
    start(pod('u1'))
    const tunnel = await connect()
    await tunnel.send(zds.hello)
    const first = await packetOf(tunnel)
    const [added, deleted] = [server.add(pod('u2')), server.delete('u1')]
    for (const fd of first.fds) closeSync(fd)
    await tunnel.send(zds.done)
    expect(await take(tunnel)).toEqual(zds.snapshotSent)
    expect(await take(tunnel)).toEqual(zds.add('u2'))
    expect(await take(tunnel)).toEqual(zds.delete('u1'))
    await Promise.all([added, deleted])
  })

  it('ends a connection whose answer is late, and fails what waits for it', async () => {
    start()
    const tunnel = await connectTunnel()
    const [first, second] = [server.add(pod('u1')), server.add(pod('u2'))]
    const failures = Promise.allSettled([first, second])
    for (const fd of (await packetOf(tunnel)).fds) closeSync(fd)
    await clock.advance(5000)
    expect(await failures).toMatchObject([
      { status: 'rejected', reason: { code: 'ZDS_UNAVAILABLE' } },
      { status: 'rejected', reason: { code: 'ZDS_UNAVAILABLE' } },
    ])
    expect(await tunnel.receive()).toBeUndefined()
    expect(server.tunnelCount).toBe(0)
  })

  it.each([
    { what: 'speaks without being asked', packet: zds.done },
    { what: 'sends an empty protocol buffer', packet: hexBytes('0800') },
  ])('ends a connection that $what', async ({ packet }) => {
    start()
    const tunnel = await connectTunnel()
    await tunnel.send(packet)
    expect(await tunnel.receive()).toBeUndefined()
  })

  it('ends a connection that answers with something else than an acknowledgement', async () => {
    start()
    const tunnel = await connectTunnel()
    const added = server.add(pod('u1'))
    const outcome = expect(added).rejects.toMatchObject({ code: 'ZDS_UNAVAILABLE' })
    await take(tunnel, hexBytes('1200'))
    await outcome
    expect(await tunnel.receive()).toBeUndefined()
  })

  it('gives the next tunnel a whole snapshot when one has gone in the middle of its own', async () => {
    start(pod('u1'), pod('u2'), pod('u3'))
    const first = await connect()
    await first.send(zds.hello)
    await take(first)
    await first.close()
    await turn()
    expect(server.tunnelCount).toBe(0)
    const second = await connectTunnel(3)
    const deleted = server.delete('u2')
    expect(await take(second)).toEqual(zds.delete('u2'))
    await deleted
  })

  it('fails an add whose namespace is closed, and keeps the connection', async () => {
    start()
    const tunnel = await connectTunnel()
    const gone = createNetns()
    gone.close()
    await expect(server.add(pod('u1', gone))).rejects.toMatchObject({ code: 'SYSCALL_FAILED' })
    const added = server.add(pod('u1'))
    await take(tunnel)
    await added
  })

  it('accepts at most five tunnels a second', async () => {
    start()
    const tunnels = [1, 2, 3].map(() => connectSeqPacket(folder.path))
    closers.push(...tunnels)
    for (const tunnel of tunnels) await tunnel.send(zds.hello)
    for (const [i, tunnel] of tunnels.entries()) {
      expect(await isAsked(tunnel)).toBe(true)
      for (const waiting of tunnels.slice(i + 1)) expect(await isSilent(waiting)).toBe(true)
      await clock.advance(200)
    }
  })

  it('turns a ninth tunnel away', async () => {
    start()
    for (let i = 0; i < 8; i++) await connectTunnel()
    const ninth = await connect()
    expect(await ninth.receive()).toBeUndefined()
    expect(server.tunnelCount).toBe(8)
  })

  it('ends every connection when it is closed', async () => {
    start()
    const tunnel = await connectTunnel()
    const added = server.add(pod('u1'))
    const outcome = expect(added).rejects.toMatchObject({ code: 'ZDS_UNAVAILABLE' })
    await server.close()
    await outcome
    for (const fd of (await tunnel.receive())?.fds ?? []) closeSync(fd)
    expect(await tunnel.receive()).toBeUndefined()
  })

  /** Lets signals and packets arrive. */
  async function turn(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  async function isAsked(tunnel: SeqPacketConnection): Promise<boolean> {
    return !(await isSilent(tunnel))
  }

  /** Whether nothing has come; what comes later is left for the next reader. */
  async function isSilent(tunnel: SeqPacketConnection): Promise<boolean> {
    const controller = new AbortController()
    const received = tunnel.receive(controller.signal).then(
      () => 'packet',
      () => 'nothing',
    )
    await turn()
    controller.abort()
    return (await received) === 'nothing'
  }
})
