import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { connect, createSecureContext, type TLSSocket, TLSSocket as TlsSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { createCsr, judgeClient, judgeServer, peerSpiffeId, peerSpiffeIds, type WorkloadCertificate } from '#shared/pki'
import { MemoryCa } from '../../../support/memory-ca.ts'

const ca = new MemoryCa({ intermediates: 1 })
const web = ca.issue(ca.id('shop', 'web'))
const cart = ca.issue(ca.id('shop', 'cart'))

const open: { destroy(): void }[] = []
const servers: Server[] = []

afterEach(() => {
  for (const one of open.splice(0)) one.destroy()
  for (const server of servers.splice(0)) server.close()
})

interface Meeting {
  readonly client: TLSSocket
  /** Undefined when the server refused the hand-shake. */
  readonly server: TLSSocket | undefined
  readonly serverError: Error | undefined
}

/** Both ends of a tunnel's TLS as the mesh makes them; `session` is what a client might try to resume. */
async function meet(
  clientCertificate: WorkloadCertificate | undefined,
  serverCertificate: WorkloadCertificate,
  over: { readonly session?: Buffer; readonly maxVersion?: 'TLSv1.2'; readonly ciphers?: string } = {},
): Promise<Meeting> {
  const accepted = Promise.withResolvers<Pick<Meeting, 'server' | 'serverError'>>()
  const listener = createServer((raw: Socket) => {
    const socket = new TlsSocket(raw, {
      isServer: true,
      secureContext: serverCertificate.secureContext,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
    })
    open.push(socket)
    const refuse = (serverError: Error): void => {
      accepted.resolve({ server: undefined, serverError })
      socket.destroy()
    }
    socket.on('secure', () => {
      // `authorized` is set by tls.Server alone; the handle knows what OpenSSL found.
      const error = (socket as unknown as { ssl: { verifyError(): Error | null } }).ssl.verifyError()
      if (error !== null) return refuse(error)
      accepted.resolve({ server: socket, serverError: undefined })
      socket.write('hello')
    })
    socket.on('error', refuse)
  })
  servers.push(listener)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const client = connect({
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    host: '127.0.0.1',
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    ...(clientCertificate === undefined
      ? { rejectUnauthorized: false }
      : { secureContext: clientCertificate.secureContext, rejectUnauthorized: false }),
    ...over,
  })
  open.push(client)
  client.on('error', () => {})
  const end = new Promise((resolve) => client.once('data', resolve).once('close', resolve))
  const outcome = await accepted.promise
  if (outcome.server !== undefined) await end
  return { client, ...outcome }
}

describe('two identities of one CA', () => {
  it('meet over TLS 1.3 with AES-128-GCM and X25519, and know each other', async () => {
    const { client, server } = await meet(web, cart)
    expect(client.authorizationError).toBeNull()
    expect(client.getProtocol()).toBe('TLSv1.3')
    expect(client.getCipher().standardName).toBe('TLS_AES_128_GCM_SHA256')
    expect(client.getEphemeralKeyInfo()).toMatchObject({ name: 'X25519' })
    expect(peerSpiffeId(client)).toBe(cart.id)
    expect(peerSpiffeId(server as TLSSocket)).toBe(web.id)
    expect(judgeServer(peerSpiffeIds(client), [cart.id])).toEqual({ kind: 'accepted', peer: cart.id })
    expect(judgeClient(peerSpiffeIds(server as TLSSocket), cart.id)).toEqual({ kind: 'accepted', peer: web.id })
  })

  it('never resume a session, so that each hand-shake checks the certificate', async () => {
    const first = await meet(web, cart)
    const session = first.client.getSession()
    expect(session).toBeInstanceOf(Buffer)
    const second = await meet(web, cart, { session: session as Buffer })
    expect(second.server).toBeDefined()
    expect(second.client.isSessionReused()).toBe(false)
    expect(peerSpiffeId(second.server as TLSSocket)).toBe(web.id)
  })
})

describe('a server with an identity', () => {
  const foreign = new MemoryCa()
  it.each([
    ['no certificate', undefined],
    ['a certificate of another CA with the same names', foreign.issue(web.id)],
    ['a certificate that has expired', ca.issue(web.id, { ttlMs: -60_000 })],
  ])('refuses a client with %s', async (_what, certificate) => {
    const { server, serverError } = await meet(certificate, cart)
    expect(server).toBeUndefined()
    expect(serverError).toBeDefined()
  })

  it('refuses TLS 1.2', async () => {
    const { server } = await meet(undefined, cart, { maxVersion: 'TLSv1.2' })
    expect(server).toBeUndefined()
  })

  it('refuses a client that speaks ChaCha20 alone', async () => {
    const { server } = await meet(undefined, cart, { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' })
    expect(server).toBeUndefined()
  })

  it('finds no id in names that only look like one', async () => {
    const names = [{ kind: 'dns', value: `x,URI:${web.id}` }] as const
    const { privateKeyPem, csrPem } = createCsr(web.id)
    const [leaf = ''] = ca.certify(csrPem, web.id, { names })
    const secureContext = createSecureContext({
      key: privateKeyPem,
      cert: leaf + ca.intermediatesPem.join(''),
      ca: ca.rootPem,
    })
    const { server } = await meet({ ...web, secureContext }, cart)
    expect(server).toBeDefined()
    expect(peerSpiffeIds(server as TLSSocket)).toEqual([])
  })
})
