import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { acceptTunnels, createTunnelPool, HandshakeGate } from '#shared/hbone'
import type { SpiffeId } from '#shared/model'
import type { IpAddress } from '#shared/net'
import { createCsr, parseIdentity, type WorkloadCertificate } from '#shared/pki'
import { MemoryCa } from '../../support/memory-ca.ts'
import { keyOf, listen, TestDialer, type TestListener } from '../../support/tunnel-ends.ts'

/*
 * Attack case 26: the mesh changes its root while connections are made. Each side has its own step: who signed its
 * certificate, and which roots it believes.
 */

const REQUESTS_PER_STEP = 40

const before = new MemoryCa()
const after = new MemoryCa()
const web = before.id('shop', 'web')
const cart = before.id('shop', 'cart')

type Believed = 'old' | 'both' | 'new'

/** An identity that `signer` issued, believing those roots. */
function identity(id: SpiffeId, signer: MemoryCa, believed: Believed): WorkloadCertificate {
  const { privateKeyPem, csrPem } = createCsr(id)
  const roots = { old: before.rootPem, both: before.rootPem + after.rootPem, new: after.rootPem }[believed]
  const [leaf = ''] = signer.certify(csrPem, id)
  return parseIdentity(id, privateKeyPem, [leaf, roots], Date.now())
}

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

/** A tunnel server whose certificate may change between connections. */
class Server {
  readonly gate: HandshakeGate = new HandshakeGate()
  readonly failures: string[] = []
  current: WorkloadCertificate
  listener: TestListener | undefined

  constructor(first: WorkloadCertificate) {
    this.current = first
  }

  async start(): Promise<TestListener> {
    this.listener = await listen((socket) => {
      const at = { ip: '127.0.0.1' as IpAddress, port: 1 }
      acceptTunnels(socket, {
        clock: systemClock,
        gate: this.gate,
        certificate: this.current,
        source: at,
        acceptedOn: at,
        onTunnel: (request) => void request.accept(),
      }).catch((error: { readonly code: string }) => this.failures.push(error.code))
    }, true)
    opened.push(this.listener)
    return this.listener
  }
}

/** One request on a connection of its own: whether it was answered, or why not. */
async function ask(dialer: TestDialer, listener: TestListener): Promise<string> {
  const pool = createTunnelPool({ clock: systemClock, answerTimeoutMs: 2_000 })
  try {
    const authority = { kind: 'address', ...listener.address } as const
    await pool.connect(keyOf(web, listener.address, cart), dialer, { authority, headers: [] })
    return 'answered'
  } catch (error) {
    return (error as { readonly code: string }).code
  } finally {
    await pool.close()
  }
}

/** Steps of a rotation in their right order. */
const order: readonly (readonly [signer: MemoryCa, believed: Believed])[] = [
  [before, 'old'],
  [before, 'both'],
  [after, 'both'],
  [after, 'new'],
]

describe('26: a new root', () => {
  it('in the right order refuses not one new connection, whichever side is a step ahead', async () => {
    for (const isServerFirst of [true, false]) {
      const server = new Server(identity(cart, before, 'old'))
      const listener = await server.start()
      const dialer = new TestDialer(listener.address, identity(web, before, 'old'))
      const answers = new Set<string>()
      for (const [signer, believed] of order) {
        const sides = [
          () => (server.current = identity(cart, signer, believed)),
          () => (dialer.current = identity(web, signer, believed)),
        ]
        for (const change of isServerFirst ? sides : sides.reverse()) {
          change()
          const all = Array.from({ length: REQUESTS_PER_STEP }, () => ask(dialer, listener))
          for (const answer of await Promise.all(all)) answers.add(answer)
        }
      }
      expect([...answers]).toEqual(['answered'])
      expect(server.failures).toEqual([])
      expect(server.gate.pending).toBe(0)
    }
  }, 60_000)

  it('cuts no connection that is there: the next request takes a new one beside it', async () => {
    const server = new Server(identity(cart, before, 'old'))
    const listener = await server.start()
    const pool = createTunnelPool({ clock: systemClock })
    opened.push(pool)
    const dialer = new TestDialer(listener.address, identity(web, before, 'old'))
    const authority = { kind: 'address', ...listener.address } as const
    const key = keyOf(web, listener.address, cart)
    await pool.connect(key, dialer, { authority, headers: [] })
    server.current = identity(cart, after, 'new')
    dialer.current = identity(web, after, 'new')
    await pool.connect(key, dialer, { authority, headers: [] })
    expect(dialer.sockets.map((socket) => socket.destroyed)).toEqual([false, false])
  })

  it.each<[string, WorkloadCertificate, WorkloadCertificate, string]>([
    [
      'a server that is signed by it before clients believe it is refused by them',
      identity(cart, after, 'both'),
      identity(web, before, 'old'),
      'PEER_UNVERIFIED',
    ],
    [
      'a client that is signed by it before servers believe it is refused by them',
      identity(cart, before, 'old'),
      identity(web, after, 'both'),
      'CLIENT_UNVERIFIED',
    ],
    [
      'a server of the old one is refused once clients have dropped that',
      identity(cart, before, 'both'),
      identity(web, after, 'new'),
      'PEER_UNVERIFIED',
    ],
  ])('in the wrong order: %s', async (_, ofServer, ofClient, expected) => {
    const server = new Server(ofServer)
    const listener = await server.start()
    const answer = await ask(new TestDialer(listener.address, ofClient), listener)
    expect(answer).not.toBe('answered')
    if (expected === 'CLIENT_UNVERIFIED') expect(server.failures).toEqual([expected])
    else expect(answer).toBe(expected)
  })
})
