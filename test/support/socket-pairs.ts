import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls'
import { MemoryCa } from './memory-ca.ts'

/** Both ends of one connection. */
export interface SocketPair {
  readonly client: Socket
  readonly server: Socket
}

/** A TCP connection over loopback; the server's end is unread. */
export async function tcpPair(options: Partial<NetConnectOpts> = {}): Promise<SocketPair> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true, ...options })
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[Socket], unknown]
  server.close()
  return { client, server: accepted }
}

const ca = new MemoryCa()
const { keyPem: key, certPem: cert } = ca.server()

/** A key, a certificate for localhost, and the root that signed it; good for either end. */
export const tlsIdentity: { readonly key: string; readonly cert: string; readonly ca: string } = {
  key,
  cert,
  ca: ca.rootPem,
}

/** A mutual TLS connection after its handshake. */
export async function tlsPair(): Promise<SocketPair> {
  const raw = await tcpPair()
  const secureContext = createSecureContext({ ...tlsIdentity, minVersion: 'TLSv1.3' })
  const server = new TLSSocket(raw.server, {
    isServer: true,
    secureContext,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
  })
  const client = connectTls({ socket: raw.client, secureContext, host: 'localhost', ALPNProtocols: ['h2'] })
  await Promise.all([once(server, 'secure'), once(client, 'secureConnect')])
  return { client, server }
}
