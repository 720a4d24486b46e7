import { once } from 'node:events'
import { connect as h2connect } from 'node:http2'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { type ConnectionOptions, TLSSocket, type TLSSocketOptions, connect as tlsConnect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { createTunnelPool, HandshakeGate, type TunnelServerSettings } from '#shared/hbone'
import { spiffeId } from '#shared/model'
import { createCsr, parseIdentity, type SubjectAltName, type TlsProfile, type WorkloadCertificate } from '#shared/pki'
import { type IssueSettings, MemoryCa } from '../../support/memory-ca.ts'
import { type TlsTexts, tlsTextsOf } from '../../support/tls-texts.ts'
import { keyOf, listen, listenTunnels, type TestAcceptor, TestDialer, until } from '../../support/tunnel-ends.ts'

const HOUR_MS = 3_600_000
const ca = new MemoryCa()
const otherCa = new MemoryCa()
const own = ca.issue(ca.id('shop', 'web'))
const cart = ca.issue(ca.id('shop', 'cart'))
const abroad = spiffeId({ trustDomain: 'elsewhere', namespace: 'shop', serviceAccount: 'cart' })

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

function later<T extends { close(): Promise<void> | void }>(one: T): T {
  opened.push(one)
  return one
}

async function acceptor(
  certificate: WorkloadCertificate = own,
  settings: Partial<TunnelServerSettings> = {},
): Promise<TestAcceptor> {
  return later(await listenTunnels(certificate, (request) => void request.accept(), settings))
}

/** Whether our server lets a client of node:tls in; TLS 1.3 tells a client of a refusal only after its own hand-shake. */
async function isLetIn(client: Partial<ConnectionOptions>, server?: TestAcceptor): Promise<boolean> {
  const { address, tunnels, failures } = server ?? (await acceptor())
  const before = tunnels.length + failures.length
  const socket = tlsConnect({
    host: address.ip,
    port: address.port,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
    ...client,
  })
  socket.on('error', () => {})
  later({ close: () => void socket.destroy() })
  const letIn = tunnels.length
  await until(() => tunnels.length + failures.length > before)
  return tunnels.length > letIn
}

/** Whether our client takes a server of node:tls for `shop/cart`. */
async function isAccepted(server: TLSSocketOptions): Promise<string> {
  const listener = later(
    await listen((socket) => {
      const secured = new TLSSocket(socket, { isServer: true, ALPNProtocols: ['h2'], ...server })
      secured.on('error', () => {})
    }),
  )
  const pool = later(createTunnelPool({ clock: systemClock, answerTimeoutMs: 300 }))
  const dialer = new TestDialer(listener.address, own)
  const authority = { kind: 'address', ...listener.address } as const
  return pool.connect(keyOf(own.id, listener.address, cart.id), dialer, { authority, headers: [] }).then(
    () => 'accepted',
    (error: { readonly code: string }) => error.code,
  )
}

/** A certificate that nobody signed but itself. */
function selfSigned(): TlsTexts {
  const lonely = new MemoryCa()
  const texts = tlsTextsOf(lonely, 'shop/cart')
  return { ...texts, ca: texts.cert }
}

const uri = (value: string): SubjectAltName => ({ kind: 'uri', value })
const CART = 'spiffe://cluster.local/ns/shop/sa/cart'

/** Attack case 19. */
const chains: readonly (readonly [string, () => Partial<TlsTexts>])[] = [
  ['has expired', () => tlsTextsOf(ca, cart.id, { ttlMs: -HOUR_MS })],
  ['is not yet valid', () => tlsTextsOf(ca, cart.id, { backdateMs: -HOUR_MS })],
  ['another authority signed', () => tlsTextsOf(otherCa, cart.id)],
  ['signed itself', selfSigned],
  ['is of another trust domain', () => tlsTextsOf(ca, abroad)],
]

/** Attack case 20: what looks like the identity and is not. */
const names: readonly (readonly [string, readonly SubjectAltName[]])[] = [
  ['no name at all', []],
  ['a DNS name only', [{ kind: 'dns', value: 'cart.shop.svc.cluster.local' }]],
  ['the identity as a DNS name', [{ kind: 'dns', value: CART }]],
  ['a scheme in capitals', [uri('SPIFFE://cluster.local/ns/shop/sa/cart')]],
  ['another scheme', [uri('https://cluster.local/ns/shop/sa/cart')]],
  ['a final slash', [uri(`${CART}/`)]],
  ['one segment more', [uri(`${CART}/x`)]],
  ['a query', [uri('spiffe://cluster.local/ns/shop?sa/cart')]],
  ['an encoded slash', [uri('spiffe://cluster.local/ns/shop%2Fsa%2Fcart')]],
  ['a wildcard', [uri('spiffe://*/ns/shop/sa/cart')]],
  ['steps upwards', [uri('spiffe://cluster.local/ns/shop/sa/cart/../cart')]],
  ['user information', [uri('spiffe://cluster.local@elsewhere/ns/shop/sa/cart')]],
  ['a port', [uri('spiffe://cluster.local:443/ns/shop/sa/cart')]],
  ['the trust domain in capitals', [uri('spiffe://CLUSTER.LOCAL/ns/shop/sa/cart')]],
]

describe('19: a client whose certificate', () => {
  it.each(chains)('%s is not let in', async (_, texts) => {
    expect(await isLetIn(texts())).toBe(false)
  })

  it('is missing is not let in', async () => {
    expect(await isLetIn({ ca: tlsTextsOf(ca, cart.id).ca })).toBe(false)
  })

  it('is in order is let in', async () => {
    expect(await isLetIn(tlsTextsOf(ca, cart.id))).toBe(true)
  })
})

describe('19: a server whose certificate', () => {
  it.each(chains)('%s is not believed', async (_, texts) => {
    expect(await isAccepted(texts())).toBe('PEER_UNVERIFIED')
  })

  it('is in order is asked', async () => {
    expect(await isAccepted(tlsTextsOf(ca, cart.id))).toBe('TUNNEL_ANSWER_TIMEOUT')
  })
})

describe('20: a name that is not the identity:', () => {
  const issued = (sans: readonly SubjectAltName[]): TlsTexts =>
    tlsTextsOf(ca, cart.id, { names: sans } as IssueSettings)

  it.each(names)('%s, of a client', async (_, sans) => {
    expect(await isLetIn(issued(sans))).toBe(false)
  })

  it.each(names)('%s, of a server', async (_, sans) => {
    expect(await isAccepted(issued(sans))).toBe('PEER_UNVERIFIED')
  })

  it('a second name of another trust domain makes the first one no other, and is never who the client is', async () => {
    const server = await acceptor()
    expect(await isLetIn(issued([uri(CART), uri(abroad)]), server)).toBe(true)
    expect(server.tunnels[0]?.peer).toBe(CART)
  })
})

describe('22: a server that shows the valid certificate of another account', () => {
  it('is not believed', async () => {
    expect(await isAccepted(tlsTextsOf(ca, 'shop/web'))).toBe('PEER_UNVERIFIED')
  })

  it('is not believed when it shows one of the same account of another namespace', async () => {
    expect(await isAccepted(tlsTextsOf(ca, 'other/cart'))).toBe('PEER_UNVERIFIED')
  })
})

describe('23: less than is wanted of TLS', () => {
  const texts = tlsTextsOf(ca, cart.id)
  it.each<[string, Partial<ConnectionOptions>]>([
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['a cipher that is no part of HBONE', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
    ['HTTP/1.1', { ALPNProtocols: ['http/1.1'] }],
    ['a group that nobody offers', { ecdhCurve: 'secp521r1' }],
  ])('a client that offers only %s is not let in', async (_, options) => {
    expect(await isLetIn({ ...texts, ...options })).toBe(false)
  })

  it.each<[string, TLSSocketOptions]>([
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['a cipher that is no part of HBONE', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
  ])('a server that offers only %s is not asked', async (_, options) => {
    expect(await isAccepted({ ...texts, ...options })).toBe('TUNNEL_HANDSHAKE_FAILED')
  })

  const withProfile = (profile: TlsProfile): WorkloadCertificate => {
    const { privateKeyPem, csrPem } = createCsr(own.id)
    return parseIdentity(own.id, privateKeyPem, ca.certify(csrPem, own.id), Date.now(), profile)
  }

  it('TLS 1.2 is taken when it is asked for, and cannot be renegotiated', async () => {
    const server = await acceptor(withProfile({ isTls12Enabled: true, isPqcOnly: false }))
    expect(await isLetIn({ ...texts, maxVersion: 'TLSv1.2' }, server)).toBe(true)
    const { address } = server
    const socket = tlsConnect({
      host: address.ip,
      port: address.port,
      ...texts,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    })
    later({ close: () => void socket.destroy() })
    await once(socket, 'secureConnect')
    expect(socket.getCipher().name).toMatch(/^ECDHE-ECDSA-AES(128|256)-GCM/)
    const failed = new Promise<boolean>((resolve) => {
      socket.on('error', () => resolve(true))
      socket.on('close', () => resolve(true))
      socket.renegotiate({}, (error) => resolve(error !== null))
    })
    expect(await failed).toBe(true)
  })

  it.each([
    ['X25519', false],
    ['X25519MLKEM768', true],
  ])('with the post-quantum policy a client of %s is let in: %s', async (ecdhCurve, expected) => {
    const server = await acceptor(withProfile({ isTls12Enabled: false, isPqcOnly: true }))
    expect(await isLetIn({ ...texts, ecdhCurve }, server)).toBe(expected)
  })
})

describe('24: resumption', () => {
  it('is not offered, so that each hand-shake proves the identity anew', async () => {
    const server = await acceptor()
    const texts = tlsTextsOf(ca, cart.id)
    const session = await new Promise<Buffer | undefined>((resolve) => {
      const first = tlsConnect({
        host: '127.0.0.1',
        port: server.address.port,
        ...texts,
        ALPNProtocols: ['h2'],
        rejectUnauthorized: false,
      })
      later({ close: () => void first.destroy() })
      first.on('session', resolve)
      first.on('secureConnect', () => setTimeout(() => resolve(first.getSession()), 100))
    })
    const again = tlsConnect({
      host: '127.0.0.1',
      port: server.address.port,
      ca: texts.ca,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      ...(session === undefined ? {} : { session }),
    })
    again.on('error', () => {})
    later({ close: () => void again.destroy() })
    await until(() => server.failures.length === 1)
    expect(server.tunnels).toHaveLength(1)
  })
})

describe('8: hand-shakes that are never finished', () => {
  it('cost their number and nothing else: those beyond it are closed, and who is honest comes in when they are over', async () => {
    const gate = new HandshakeGate({ maxPending: 200, maxPendingPerSource: 100 })
    const server = await acceptor(own, { gate, handshakeTimeoutMs: 400 })
    const silent: Socket[] = []
    const before = process.memoryUsage().rss
    for (let i = 0; i < 500; i++) {
      const socket = connect(server.address.port, '127.0.0.1')
      socket.on('error', () => {})
      // The beginning of a ClientHello.
      socket.write(Buffer.from('1603010200010001fc0303', 'hex'))
      silent.push(socket)
    }
    await until(() => server.failures.length === 500)
    expect(gate.pending).toBe(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20)
    expect(await isLetIn(tlsTextsOf(ca, cart.id), server)).toBe(true)
    for (const socket of silent) socket.destroy()
  })
})

describe('14: an address that another peer has now', () => {
  it('gets no request when the new peer is somebody else, however long the old tunnel lived', async () => {
    const far = await acceptor(cart)
    const { port } = far.address
    const dialer = new TestDialer(far.address, own)
    const pool = later(createTunnelPool({ clock: systemClock }))
    const key = keyOf(own.id, far.address, cart.id)
    const request = { authority: { kind: 'address', ...far.address } as const, headers: [] }
    await pool.connect(key, dialer, request)
    await far.close()
    const requests: unknown[] = []
    const impostor = createTcpServer({ pauseOnConnect: true }, (socket) => {
      const secured = new TLSSocket(socket, { isServer: true, ...tlsTextsOf(ca, 'shop/other'), ALPNProtocols: ['h2'] })
      secured.on('error', () => {})
      secured.on('data', (bytes) => requests.push(bytes))
    })
    await new Promise<void>((resolve) => impostor.listen(port, '127.0.0.1', resolve))
    later({ close: () => void impostor.close() })
    await expect(pool.connect(key, dialer, request)).rejects.toMatchObject({ code: 'PEER_UNVERIFIED' })
    expect(requests).toEqual([])
  })
})

describe('17: short connections', () => {
  it('1,000 of them leave no socket and no stream behind', async () => {
    const server = await acceptor()
    const texts = tlsTextsOf(ca, cart.id)
    const session = h2connect(`https://127.0.0.1:${server.address.port}`, {
      ...texts,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    later({ close: () => session.destroy() })
    for (let i = 0; i < 1000; i++) {
      const stream = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.7:80' })
      stream.on('error', () => {})
      await once(stream, 'response')
      stream.close()
      await once(stream, 'close')
    }
    await until(() => server.tunnels[0]?.connection.streamCount === 0)
    expect(server.accepted).toHaveLength(1)
  })
})
