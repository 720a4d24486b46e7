import { createSecureContext, type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { createTunnelPool } from '#shared/hbone'
import { spiffeId } from '#shared/model'
import { oids } from '../../../src/shared/pki/oids.ts'
import {
  authority,
  CraftedCa,
  type CraftedSigner,
  extension,
  keyUsage,
  purposes,
  uriNames,
} from '../../support/crafted-ca.ts'
import type { TlsTexts } from '../../support/tls-texts.ts'
import { keyOf, listen, listenTunnels, type TestAcceptor, TestDialer, until } from '../../support/tunnel-ends.ts'

/*
 * Certificates that the right authority has signed, or nearly, and that are made to be read wrongly or dearly: what comes
 * of each at our server (a client shows it) and at our client (a server shows it).
 */

/** What 20 hand-shakes with one of these may leave in memory, and how long each may take. */
const MAX_GROWTH_BYTES = 48 << 20
const MAX_HANDSHAKE_MS = 2_000
const ROUNDS = 20

const DIGITAL_SIGNATURE = 0
const id = (account: string) => spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: account })
const CART = id('cart')
const ca = new CraftedCa()
const own = ca.identity(id('web'))

const bothEnds = purposes(oids.serverAuth, oids.clientAuth)
const plain = [uriNames(CART), bothEnds, keyUsage(DIGITAL_SIGNATURE)]
/** Of no meaning to anybody. */
const PRIVATE_OID = '1.3.6.1.4.1.99999.1'

function chainOf(length: number): CraftedSigner {
  let signer: CraftedSigner = ca
  for (let i = 0; i < length; i++) signer = ca.below(signer, `Authority ${i}`)
  return signer
}

const manyNames = (count: number): string[] => Array.from({ length: count }, (_, i) => `spiffe://x/ns/a/sa/${i}`)

const refused: readonly (readonly [string, () => TlsTexts])[] = [
  ['a chain of 150 authorities', () => ca.leaf(plain, chainOf(150))],
  ['a chain of 400 authorities, more than 100 KiB', () => ca.leaf(plain, chainOf(400))],
  ['20,000 names', () => ca.leaf([uriNames(...manyNames(20_000), CART), bothEnds])],
  ['2,000 names, the identity first', () => ca.leaf([uriNames(CART, ...manyNames(2_000)), bothEnds])],
  ['an extension of 1 MiB', () => ca.leaf([...plain, extension(PRIVATE_OID, false, Buffer.alloc(1 << 20))])],
  ['a critical extension that nobody knows', () => ca.leaf([...plain, extension(PRIVATE_OID, true, Buffer.of(5, 0))])],
  ['two extensions of names', () => ca.leaf([...plain, uriNames(id('admin'))])],
  ['names that are no names', () => ca.leaf([extension(oids.subjectAltName, true, Buffer.of(0x30, 0x7f)), bothEnds])],
  ['a name of 64 KiB', () => ca.leaf([uriNames(`spiffe://cluster.local/ns/${'a'.repeat(65_536)}/sa/cart`), bothEnds])],
  ['the purpose of signing code', () => ca.leaf([uriNames(CART), purposes('1.3.6.1.5.5.7.3.3')])],
  ['the use of signing certificates only', () => ca.leaf([uriNames(CART), bothEnds, keyUsage(5)])],
  ['an authority as a leaf', () => ca.leaf([uriNames(CART), ...authority()])],
  [
    'an authority as a leaf that may sign hand-shakes',
    () => ca.leaf([uriNames(CART), ...authority(0, DIGITAL_SIGNATURE)]),
  ],
  ['a leaf that may sign certificates', () => ca.leaf([uriNames(CART), bothEnds, keyUsage(DIGITAL_SIGNATURE, 5)])],
  ['a leaf that another leaf signed', () => ca.leaf(plain, ca.below(ca, 'Leaf', plain))],
  [
    'an authority below one that may have none',
    () => ca.leaf(plain, ca.below(ca.below(ca, 'Last', authority(0)), 'One more')),
  ],
]

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

function later<T extends { close(): Promise<void> | void }>(one: T): T {
  opened.push(one)
  return one
}

/** Whether our server lets that client in. */
async function isLetIn(server: TestAcceptor, secureContext: SecureContext, servername?: string): Promise<boolean> {
  const before = server.tunnels.length + server.failures.length
  const letIn = server.tunnels.length
  const socket = tlsConnect({
    host: server.address.ip,
    port: server.address.port,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
    secureContext,
    ...(servername === undefined ? {} : { servername }),
  })
  socket.on('error', () => {})
  await until(() => server.tunnels.length + server.failures.length > before)
  socket.destroy()
  return server.tunnels.length > letIn
}

/** What our client says of that server; it is believed when it is asked, and then answers nothing. */
async function verdictOn(texts: TlsTexts): Promise<string> {
  const listener = later(
    await listen((socket) => {
      const secured = new TLSSocket(socket, { isServer: true, ALPNProtocols: ['h2'], ...texts })
      secured.on('error', () => {})
    }),
  )
  const pool = later(createTunnelPool({ clock: systemClock, answerTimeoutMs: 100 }))
  const authorityOf = { kind: 'address', ...listener.address } as const
  const key = keyOf(own.id, listener.address, CART)
  return pool.connect(key, new TestDialer(listener.address, own), { authority: authorityOf, headers: [] }).then(
    () => 'accepted',
    (error: { readonly code: string }) => error.code,
  )
}

describe.each(refused)('19: %s', (_, make) => {
  let texts: TlsTexts
  beforeAll(() => {
    texts = make()
  })

  it('lets no client in, and costs little time and memory', async () => {
    const server = later(await listenTunnels(own, (request) => void request.accept()))
    // Read once, so that only our server's side is measured.
    const client = createSecureContext(texts)
    await isLetIn(server, client)
    const before = process.memoryUsage().rss
    for (let i = 0; i < ROUNDS; i++) {
      const startedMs = performance.now()
      expect(await isLetIn(server, client)).toBe(false)
      expect(performance.now() - startedMs).toBeLessThan(MAX_HANDSHAKE_MS)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES)
  })

  it('makes no server believed', async () => {
    expect(await verdictOn(texts)).toMatch(/^(PEER_UNVERIFIED|TUNNEL_HANDSHAKE_FAILED)$/)
  })
})

describe('19: a certificate', () => {
  it('for servers only is no client’s', async () => {
    const server = later(await listenTunnels(own, (request) => void request.accept()))
    expect(await isLetIn(server, createSecureContext(ca.leaf([uriNames(CART), purposes(oids.serverAuth)])))).toBe(false)
  })

  it('for clients only is no server’s', async () => {
    expect(await verdictOn(ca.leaf([uriNames(CART), purposes(oids.clientAuth)]))).toBe('PEER_UNVERIFIED')
  })

  it.each<[string, () => TlsTexts]>([
    ['with nothing odd', () => ca.leaf(plain)],
    ['behind ten authorities', () => ca.leaf(plain, chainOf(10))],
    [
      'with a large extension that nobody must know',
      () => ca.leaf([...plain, extension(PRIVATE_OID, false, Buffer.alloc(60_000))]),
    ],
  ])('%s is taken from both sides', async (__, make) => {
    const texts = make()
    const server = later(await listenTunnels(own, (request) => void request.accept()))
    expect(await isLetIn(server, createSecureContext(texts))).toBe(true)
    expect(await verdictOn(texts)).toBe('TUNNEL_ANSWER_TIMEOUT')
  })
})

describe('23: a server name', () => {
  it.each([
    'cart.shop.svc.cluster.local',
    'outbound_.80_._.cart.shop.svc.cluster.local',
    `${'a'.repeat(63)}.`.repeat(3) + 'a'.repeat(60),
    '*.*',
    'xn--a',
    '..',
  ])('%s changes nothing, for nobody asks for it', async (name) => {
    const server = later(await listenTunnels(own, (request) => void request.accept()))
    expect(await isLetIn(server, createSecureContext(ca.leaf(plain)), name)).toBe(true)
    expect(server.tunnels[0]?.peer).toBe(CART)
  })
})
