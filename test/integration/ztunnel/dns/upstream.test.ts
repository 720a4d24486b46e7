import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { CLASS_IN, parseName, rcodes, recordTypes, writeMessage } from '#shared/dns'
import type { SocketAddress } from '#shared/net'
import { createNetns, receiveIn } from '#shared/sys'
import { type Forwarded, type ReplyStream, type Transferred, Upstream } from '../../../../src/ztunnel/dns/upstream.ts'
import { NameServer } from '../../../support/name-server.ts'
import { PodNetwork, type TestPod } from '../../../support/pod-network.ts'
import { requirePrivileges } from '../../../support/privileges.ts'

/** Flags that no server of this repository would set: they must come through as they are. */
const ODD_FLAGS = 0x87
/** For servers that shall answer, and for those that will not. */
const PATIENT_MS = 600_000
const IMPATIENT_MS = 500

const query = (change: { readonly opcode?: number; readonly type?: number } = {}): Buffer =>
  Buffer.from(
    writeMessage({
      id: 0x1234,
      isResponse: false,
      opcode: change.opcode ?? 0,
      isAuthoritative: false,
      isTruncated: false,
      wantsRecursion: true,
      offersRecursion: false,
      isAuthentic: false,
      isCheckingDisabled: false,
      rcode: 0,
      questions: [{ name: parseName('Ext.Example') ?? [], type: change.type ?? recordTypes.A, class: CLASS_IN }],
      answers: [],
      authorities: [],
      additionals: [],
      edns: { udpBytes: 1400, version: 0, wantsDnssec: true, options: [{ code: 10, bytes: new Uint8Array(8) }] },
    }),
  )

/** The query as its own answer, with some bytes behind it that are no record. */
function echo(packet: Buffer, rcode: number = rcodes.NOERROR): Buffer {
  const reply = Buffer.concat([packet, Buffer.from('whatever')])
  reply[2] = 0x80 | (packet[2] ?? 0)
  reply[3] = ODD_FLAGS & 0xf0
  reply[3] |= rcode
  return reply
}

describe.runIf(requirePrivileges())('forwarding', () => {
  let network: PodNetwork
  let pod: TestPod
  let near: TestPod
  let far: TestPod
  let servers: NameServer[]
  let abort: AbortController

  beforeEach(() => {
    network = new PodNetwork()
    pod = network.pod('client')
    near = network.pod('near')
    far = network.pod('far')
    servers = []
    abort = new AbortController()
  })
  afterEach(() => {
    for (const server of servers) server.close()
    network.close()
  })

  const serve = (at: TestPod, answer: NameServer['answer']): NameServer => {
    const server = new NameServer(at.netns, at.ip, answer)
    servers.push(server)
    return server
  }
  const upstream = (
    options: { readonly attempts?: number; readonly isRotating?: boolean; readonly timeoutMs?: number } = {},
  ) => {
    const to = (at: TestPod): SocketAddress => ({ ip: at.ip, port: 53 })
    const { attempts = 1, isRotating = false, timeoutMs = PATIENT_MS } = options
    return new Upstream({
      clock: systemClock,
      servers: [to(near), to(far)],
      timeoutMs,
      attempts,
      isRotating,
      packetMark: 0x539,
    })
  }
  const impatient = (): Upstream => upstream({ timeoutMs: IMPATIENT_MS })
  const forward = (
    packet: Buffer,
    transport: 'udp' | 'tcp' = 'udp',
    through: Upstream = upstream(),
    isBarred: (server: SocketAddress) => boolean = () => false,
  ): Promise<Forwarded> => through.forward({ netns: pod.netns, packet, transport, isBarred, signal: abort.signal })
  const replyOf = (forwarded: Forwarded): Buffer => {
    if (forwarded.kind === 'failed') throw new Error(forwarded.reason)
    return Buffer.from(forwarded.reply)
  }

  const kinds = (['udp', 'tcp'] as const).flatMap((transport) => [
    { transport, what: 'an A query', packet: query() },
    { transport, what: 'SRV', packet: query({ type: 33 }) },
    { transport, what: 'a type that nobody knows', packet: query({ type: 65_280 }) },
    ...[1, 2, 4, 5, 6, 15].map((opcode) => ({ transport, what: `operation ${opcode}`, packet: query({ opcode }) })),
  ])
  it.each(kinds)('carries $what by $transport there and back unchanged', async ({ transport, packet }) => {
    const server = serve(near, (asked) => [echo(asked)])
    const reply = replyOf(await forward(packet, transport))
    expect(server.asked.map((asked) => asked.transport)).toEqual([transport])
    expect(server.asked[0]?.packet.subarray(2)).toEqual(packet.subarray(2))
    expect(reply).toEqual(echo(packet))
  })

  it('asks with an id and from a port that cannot be foreseen', async () => {
    const server = serve(near, (asked) => [echo(asked)])
    const through = upstream()
    for (let i = 0; i < 20; i++) await forward(query(), 'udp', through)
    expect(new Set(server.asked.map(({ packet }) => packet.readUInt16BE(0))).size).toBeGreaterThan(15)
    expect(new Set(server.asked.map(({ port }) => port)).size).toBeGreaterThan(10)
  })

  it.each([
    ['another id', (reply: Buffer) => reply.writeUInt16BE(reply.readUInt16BE(0) ^ 1, 0)],
    ['another question', (reply: Buffer) => reply.write('X', 13)],
    ['no answer', (reply: Buffer) => reply.writeUInt8(1, 2)],
  ])('passes over what has %s, and takes the answer behind it', async (_, forge) => {
    serve(near, (asked) => {
      const forged = echo(asked)
      forge(forged)
      return [forged, echo(asked)]
    })
    expect(replyOf(await forward(query()))).toEqual(echo(query()))
  })

  it('does not hear of what other hosts send to its port', async () => {
    const server = serve(near, () => [])
    const asking = forward(query(), 'udp', impatient())
    await expect.poll(() => server.asked.length).toBe(1)
    const [asked] = server.asked
    if (asked === undefined) throw new Error('nothing was asked')
    const spoofer = receiveIn(far.netns, { ip: far.ip, port: 53 })
    spoofer.send(echo(asked.packet), asked.port, pod.ip)
    expect(await asking).toMatchObject({ kind: 'failed', reason: expect.stringContaining(far.ip) })
    spoofer.close()
  })

  it('asks the next server when the first is silent', async () => {
    serve(near, () => [])
    serve(far, (asked) => [echo(asked)])
    expect(await forward(query(), 'udp', impatient())).toMatchObject({ kind: 'answered' })
  })

  it.each(['udp', 'tcp'] as const)('asks the next one at once when nobody listens at the first by %s', async (by) => {
    serve(far, (asked) => [echo(asked)])
    expect(await forward(query(), by)).toMatchObject({ kind: 'answered' })
  })

  it.each(['udp', 'tcp'] as const)('fails at once when there is no way to any server by %s', async (transport) => {
    const netns = createNetns()
    const { signal } = abort
    const asking = upstream().forward({ netns, packet: query(), transport, isBarred: () => false, signal })
    expect(await asking).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ENETUNREACH') })
    netns.close()
  })

  it.each([rcodes.SERVFAIL, rcodes.NOTIMP, rcodes.REFUSED])('asks the next one after code %i', async (rcode) => {
    serve(near, (asked) => [echo(asked, rcode)])
    serve(far, (asked) => [echo(asked)])
    expect(await forward(query())).toMatchObject({ kind: 'answered', rcode: rcodes.NOERROR })
  })

  it('keeps the first code when no server is better, and asks each only once', async () => {
    const first = serve(near, (asked) => [echo(asked, rcodes.REFUSED)])
    const second = serve(far, (asked) => [echo(asked, rcodes.SERVFAIL)])
    expect(await forward(query(), 'udp', upstream({ attempts: 3 }))).toMatchObject({ rcode: rcodes.REFUSED })
    expect([first.asked.length, second.asked.length]).toEqual([1, 1])
  })

  it('takes "no such name" for an answer', async () => {
    serve(near, (asked) => [echo(asked, rcodes.NXDOMAIN)])
    const second = serve(far, (asked) => [echo(asked)])
    expect(await forward(query())).toMatchObject({ rcode: rcodes.NXDOMAIN })
    expect(second.asked).toEqual([])
  })

  it('goes through all servers as often as it shall', async () => {
    const first = serve(near, () => [])
    const second = serve(far, () => [])
    expect(await forward(query(), 'udp', upstream({ attempts: 2, timeoutMs: IMPATIENT_MS }))).toMatchObject({
      kind: 'failed',
    })
    expect([first.asked.length, second.asked.length]).toEqual([2, 2])
  })

  it('begins with another server each time when it shall', async () => {
    const first = serve(near, (asked) => [echo(asked)])
    const second = serve(far, (asked) => [echo(asked)])
    const through = upstream({ isRotating: true })
    for (let i = 0; i < 4; i++) await forward(query(), 'udp', through)
    expect([first.asked.length, second.asked.length]).toEqual([2, 2])
  })

  it('never asks a server that is barred', async () => {
    const first = serve(near, (asked) => [echo(asked)])
    serve(far, (asked) => [echo(asked)])
    const isNear = ({ ip }: SocketAddress): boolean => ip === near.ip
    expect(await forward(query(), 'udp', upstream(), isNear)).toMatchObject({ kind: 'answered' })
    expect(first.asked).toEqual([])
    expect(await forward(query(), 'udp', upstream(), () => true)).toEqual({
      kind: 'failed',
      reason: 'no server can be asked',
    })
  })

  it('brings an answer that was cut back as it is, so that the pod asks again by TCP', async () => {
    serve(near, (asked) => {
      const reply = echo(asked)
      reply.writeUInt8(reply.readUInt8(2) | 0x02, 2)
      return [reply]
    })
    expect(replyOf(await forward(query())).readUInt8(2) & 0x02).toBe(0x02)
  })

  it('ends with its pod', async () => {
    const server = serve(near, () => [])
    const asking = forward(query())
    await expect.poll(() => server.asked.length).toBe(1)
    abort.abort(new Error('the pod is not served any more'))
    expect(await asking).toEqual({ kind: 'failed', reason: 'the pod is not served any more' })
  })

  describe('of a question whose answer is many messages', () => {
    const zone = query({ type: 252 })
    /** Messages as the pod gets them; `cut` when it is told that they are not all. */
    const sink = () => {
      const got: string[] = []
      const to = {
        send: async (reply: Uint8Array) => void got.push(Buffer.from(reply).toString('hex')),
        cut: () => void got.push('cut'),
      }
      return { got, to }
    }
    const transfer = (to: ReplyStream, through: Upstream = impatient()): Promise<Transferred> =>
      through.transfer(
        { netns: pod.netns, packet: zone, transport: 'tcp', isBarred: () => false, signal: abort.signal },
        to,
      )
    /** A message that goes on with the answer, without the question. */
    const more = (asked: Buffer, text: string): Buffer =>
      Buffer.concat([asked.subarray(0, 2), Buffer.from(`8000${'0000'.repeat(4)}`, 'hex'), Buffer.from(text)])

    it('sends every one of them on, under the id that the pod used', async () => {
      const server = serve(near, (asked) => [
        echo(asked),
        ...Array.from({ length: 200 }, (_, i) => more(asked, `part ${i} ${'x'.repeat(i * 100)}`)),
      ])
      const { got, to } = sink()
      expect(await transfer(to)).toEqual({ kind: 'sent', messages: 201 })
      expect(server.asked[0]?.packet.subarray(2)).toEqual(zone.subarray(2))
      expect(got).toEqual(
        [echo(zone), ...Array.from({ length: 200 }, (_, i) => more(zone, `part ${i} ${'x'.repeat(i * 100)}`))].map(
          (each) => each.toString('hex'),
        ),
      )
    })

    it.each([rcodes.NOTIMP, rcodes.REFUSED])('asks the next server after code %i', async (rcode) => {
      serve(near, (asked) => [echo(asked, rcode)])
      serve(far, (asked) => [echo(asked), more(asked, 'end')])
      expect(await transfer(sink().to)).toEqual({ kind: 'sent', messages: 2 })
    })

    it('keeps a refusal when no server is better', async () => {
      serve(near, (asked) => [echo(asked, rcodes.REFUSED)])
      expect(await transfer(sink().to)).toMatchObject({ kind: 'answered', rcode: rcodes.REFUSED })
    })

    it('fails when every server is silent', async () => {
      serve(near, () => [])
      serve(far, () => [])
      expect(await transfer(sink().to)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('no answer') })
    })

    it('is cut when something else comes in between, and not taken up by another server', async () => {
      serve(near, (asked) => [echo(asked), more(Buffer.from('0000', 'hex'), 'forged'), more(asked, 'end')])
      const other = serve(far, (asked) => [echo(asked)])
      const { got, to } = sink()
      expect(await transfer(to)).toEqual({ kind: 'broken', reason: 'the server answered something else' })
      expect(got).toEqual([echo(zone).toString('hex'), 'cut'])
      expect(other.asked).toEqual([])
    })

    it('is given up when the pod takes no more, and when its listeners are closed', async () => {
      serve(near, (asked) => [echo(asked), more(asked, 'end')])
      const gone = { send: () => Promise.reject(new Error('gone')), cut: () => {} }
      expect(await transfer(gone, upstream())).toEqual({ kind: 'broken', reason: 'gone' })
      serve(far, (asked) => [echo(asked)])
      const waiting = transfer(sink().to, upstream())
      abort.abort(new Error('closed'))
      expect((await waiting).kind).not.toBe('answered')
    })

    it('is refused when 16 others are under way', async () => {
      serve(near, (asked) => [echo(asked)])
      const through = upstream()
      const running = Array.from({ length: 16 }, () => transfer(sink().to, through))
      expect(await transfer(sink().to, through)).toEqual({ kind: 'failed', reason: '16 zones are being transferred' })
      abort.abort(new Error('closed'))
      await Promise.all(running)
    })
  })
})
