import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Clock, systemClock } from '#shared/clock'
import {
  acceptTunnels,
  type ChannelRequest,
  HandshakeGate,
  type PoolKey,
  type TunnelDialer,
  type TunnelListener,
  type TunnelRequest,
  type TunnelServerConnection,
  type TunnelServerSettings,
} from '#shared/hbone'
import type { SpiffeId } from '#shared/model'
import type { IpAddress, SocketAddress } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'

export const LOOPBACK = '127.0.0.1' as IpAddress

/** Listens on loopback; closing also destroys what was accepted. */
export interface TestListener {
  readonly address: SocketAddress
  readonly server: Server
  /** Accepted so far. */
  readonly accepted: Socket[]
  close(): Promise<void>
}

export async function listen(
  onSocket: (socket: Socket) => void,
  pauseOnConnect = false,
  at: { readonly host: string; readonly port: number } = { host: LOOPBACK, port: 0 },
): Promise<TestListener> {
  const accepted: Socket[] = []
  const server = createServer({ pauseOnConnect, allowHalfOpen: true }, (socket) => {
    accepted.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(at.port, at.host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: { ip: at.host as IpAddress, port },
    server,
    accepted,
    close: () =>
      new Promise((resolve) => {
        for (const socket of accepted) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

export interface TestAcceptor extends TestListener {
  /** Tunnel connections whose hand-shake succeeded. */
  readonly tunnels: TunnelServerConnection[]
  /** Why hand-shakes failed. */
  readonly failures: unknown[]
}

/** A tunnel server of ours on a real socket. */
export function listenTunnels(
  certificate: WorkloadCertificate,
  onTunnel: (request: TunnelRequest) => void,
  settings: Partial<TunnelServerSettings> = {},
): Promise<TestAcceptor> {
  return accept(certificate, { onTunnel }, settings)
}

/** The same for whoever speaks a protocol inside tunnels. */
export function listenChannels(
  certificate: WorkloadCertificate,
  onChannel: (request: ChannelRequest) => void,
  settings: Partial<TunnelServerSettings> = {},
): Promise<TestAcceptor> {
  return accept(certificate, { onChannel }, settings)
}

async function accept(
  certificate: WorkloadCertificate,
  handler: TunnelListener,
  settings: Partial<TunnelServerSettings>,
): Promise<TestAcceptor> {
  const tunnels: TunnelServerConnection[] = []
  const failures: unknown[] = []
  const gate = new HandshakeGate()
  const listener = await listen((socket) => {
    const source = { ip: socket.remoteAddress as IpAddress, port: socket.remotePort ?? 0 }
    const ours = { clock: systemClock, gate, certificate, source, acceptedOn: address }
    acceptTunnels(socket, { ...ours, ...handler, ...settings }).then(
      (tunnel) => tunnels.push(tunnel),
      (error: unknown) => failures.push(error),
    )
  }, true)
  const { address } = listener
  return { ...listener, tunnels, failures }
}

/** A dialer of one address that counts its dials. */
export class TestDialer implements TunnelDialer {
  readonly #address: SocketAddress
  readonly sockets: Socket[] = []
  current: WorkloadCertificate

  constructor(address: SocketAddress, certificate: WorkloadCertificate) {
    this.#address = address
    this.current = certificate
  }

  dial(): Socket {
    const socket = connect({ host: this.#address.ip, port: this.#address.port, allowHalfOpen: true })
    this.sockets.push(socket)
    return socket
  }

  certificate(): Promise<WorkloadCertificate> {
    return Promise.resolve(this.current)
  }
}

export function keyOf(source: SpiffeId, destination: SocketAddress, ...acceptedPeers: SpiffeId[]): PoolKey {
  return { source, acceptedPeers, destination, workloadUid: 'Kubernetes//Pod/shop/server', sourceIp: LOOPBACK }
}

/** Resolves when `isTrue` holds; looks at it each turn of the loop. */
export async function until(isTrue: () => boolean, clock: Clock = systemClock): Promise<void> {
  const deadlineMs = clock.monotonicMs() + 10_000
  while (!isTrue()) {
    if (clock.monotonicMs() > deadlineMs) throw new Error(`never came true: ${isTrue}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
