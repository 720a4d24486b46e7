import { spawnSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Closer } from '#shared/lifecycle'
import { connectSeqPacket, listenSeqPacket, type SeqPacketConnection, type SeqPacketListener } from '#shared/sys'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const openDescriptors = (): number => readdirSync('/proc/self/fd').length

describe('packets over Unix sockets', () => {
  let folder: string
  const toClose: Closer[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-seqpacket-'))
  })

  afterEach(async () => {
    for (const closer of toClose.splice(0).reverse()) await closer.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function kept<T extends Closer>(closer: T): T {
    toClose.push(closer)
    return closer
  }

  function listen(name = 'socket', packetBytes?: number): SeqPacketListener {
    return kept(listenSeqPacket(join(folder, name), 0o600, packetBytes))
  }

  async function pair(packetBytes?: number): Promise<[SeqPacketConnection, SeqPacketConnection]> {
    const listener = listen('socket', packetBytes)
    const client = kept(connectSeqPacket(join(folder, 'socket')))
    const server = await listener.accept()
    return [client, kept(server as SeqPacketConnection)]
  }

  it('keeps packet borders and order, both ways', async () => {
    const [client, server] = await pair()
    const sent = ['one', 'two two', 'three three three']
    for (const text of sent) await client.send(bytes(text))
    for (const text of sent) expect(Buffer.from((await server.receive())?.bytes ?? []).toString()).toBe(text)
    const answer = client.receive()
    await server.send(bytes('answer'))
    expect(await answer).toEqual({
      kind: 'packet',
      bytes: new Uint8Array(bytes('answer')),
      fds: [],
      isTruncated: false,
    })
  })

  it('waits for a connection and for a packet without blocking', async () => {
    const listener = listen()
    const accepted = listener.accept()
    await new Promise((resolve) => setImmediate(resolve))
    const client = kept(connectSeqPacket(join(folder, 'socket')))
    const server = kept((await accepted) as SeqPacketConnection)
    const received = server.receive()
    await new Promise((resolve) => setImmediate(resolve))
    await client.send(bytes('late'))
    expect((await received)?.bytes.length).toBe(4)
  })

  it('passes descriptors, which arrive close-on-exec and refer to the same file', async () => {
    const [client, server] = await pair()
    const file = join(folder, 'file')
    writeFileSync(file, 'x')
    const fd = openSync(file, 'r')
    await client.send(bytes('with'), [fd, fd])
    await client.send(bytes('without'))
    const first = await server.receive()
    expect(first?.fds).toHaveLength(2)
    expect((await server.receive())?.fds).toEqual([])
    for (const received of first?.fds ?? []) {
      expect(fstatSync(received).ino).toBe(fstatSync(fd).ino)
      const listed = spawnSync(process.execPath, ['-e', 'console.log(fs.readdirSync("/proc/self/fd").join())'])
      expect(listed.stdout.toString().split(',')).not.toContain(String(received))
      closeSync(received)
    }
    closeSync(fd)
  })

  it('says when a packet was longer than the buffer, and sends no more descriptors than can be received', async () => {
    const [client, server] = await pair(16)
    await client.send(bytes('x'.repeat(17)))
    await client.send(bytes('x'.repeat(16)))
    expect(await server.receive()).toMatchObject({ isTruncated: true, bytes: { length: 16 } })
    expect(await server.receive()).toMatchObject({ isTruncated: false, bytes: { length: 16 } })
    await expect(client.send(bytes('x'), new Array(9).fill(0))).rejects.toThrow(RangeError)
  })

  it('gives undefined at the end of the stream, after what was sent before it', async () => {
    const [client, server] = await pair()
    await client.send(bytes('last'))
    await client.close()
    expect((await server.receive())?.bytes.length).toBe(4)
    expect(await server.receive()).toBeUndefined()
    await expect(server.send(bytes('x'))).rejects.toMatchObject({ errno: 'EPIPE' })
  })

  it('gives undefined, too, when the peer went away without reading', async () => {
    const [client, server] = await pair()
    await client.send(bytes('answer'))
    await server.send(bytes('never read'))
    await client.close()
    expect((await server.receive())?.bytes.length).toBe(6)
    expect(await server.receive()).toBeUndefined()
  })

  it('ends waiting calls when closed, and leaves no descriptor open', async () => {
    const before = openDescriptors()
    const [client, server] = await pair()
    const received = server.receive()
    await server.close()
    await server.close()
    expect(await received).toBeUndefined()
    expect(await server.receive()).toBeUndefined()
    await expect(server.send(bytes('x'))).rejects.toMatchObject({ errno: 'EPIPE' })
    await client.close()
    for (const closer of toClose.splice(0)) await closer.close()
    expect(openDescriptors()).toBe(before)
  })

  it('stops waiting when the signal aborts', async () => {
    const [, server] = await pair()
    const controller = new AbortController()
    const received = server.receive(controller.signal)
    controller.abort(new Error('enough'))
    await expect(received).rejects.toThrow('enough')
    await expect(server.receive(AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  })

  it('waits until a full peer reads', async () => {
    const [client, server] = await pair()
    const packet = new Uint8Array(1000)
    let sent = 0
    let last: Promise<void> | undefined
    for (; last === undefined && sent < 10_000; sent++) {
      const sending = client.send(packet)
      const isDone = await Promise.race([sending.then(() => true), Promise.resolve().then(() => false)])
      if (!isDone) last = sending
    }
    expect(last).toBeDefined()
    for (let i = 0; i < sent; i++) expect((await server.receive())?.bytes.length).toBe(1000)
    await last
  })

  it('sets the mode of the socket file and removes it at the end', async () => {
    const listener = listen()
    expect(lstatSync(join(folder, 'socket')).mode & 0o777).toBe(0o600)
    await listener.close()
    expect(lstatSync(join(folder, 'socket'), { throwIfNoEntry: false })).toBeUndefined()
  })

  it('replaces a socket that nobody serves, but not one that is served, nor a file', async () => {
    const path = join(folder, 'socket')
    const script = `import('#shared/sys').then((sys) => { sys.listenSeqPacket(${JSON.stringify(path)}, 0o600); process.kill(process.pid, 'SIGKILL') })`
    spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', script])
    expect(lstatSync(path).isSocket()).toBe(true)
    listen()
    expect(() => listen()).toThrow(expect.objectContaining({ errno: 'EADDRINUSE' }))
    writeFileSync(join(folder, 'file'), '')
    expect(() => listen('file')).toThrow(expect.objectContaining({ errno: 'EADDRINUSE' }))
  })

  it('takes a path longer than the kernel’s limit', async () => {
    const deep = join('d'.repeat(60), 'e'.repeat(60))
    mkdirSync(join(folder, deep), { recursive: true })
    const listener = listen(join(deep, 'socket'))
    const client = kept(connectSeqPacket(join(folder, deep, 'socket')))
    kept((await listener.accept()) as SeqPacketConnection)
    await client.send(bytes('x'))
  })

  it('says why it cannot connect', () => {
    expect(() => connectSeqPacket(join(folder, 'nothing'))).toThrow(expect.objectContaining({ errno: 'ENOENT' }))
  })

  it('does not keep the process alive', () => {
    const script = `import('#shared/sys').then((sys) => sys.listenSeqPacket(${JSON.stringify(join(folder, 'x'))}, 0o600).accept())`
    const ended = spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', script], {
      timeout: 10_000,
    })
    expect(ended.signal).toBeNull()
  })
})
