import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { parseIp, type SocketAddress } from '#shared/net'

/** A listening TCP port whose connections are handed on unread; closing it destroys what is left of them. */
export class OpenPort {
  readonly address: SocketAddress
  readonly #server: Server
  readonly #sockets: ReadonlySet<Socket>
  #closed: Promise<void> | undefined

  private constructor(server: Server, sockets: ReadonlySet<Socket>, address: SocketAddress) {
    this.#server = server
    this.#sockets = sockets
    this.address = address
  }

  /** @param at port 0 = any that is free */
  static async open(
    at: SocketAddress,
    maxConnections: number,
    accept: (socket: Socket, source: SocketAddress) => void,
  ): Promise<OpenPort> {
    const sockets = new Set<Socket>()
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      const ip = parseIp(socket.remoteAddress ?? '')
      const port = socket.remotePort
      // A peer that has gone already has no address.
      if (ip === undefined || port === undefined || sockets.size >= maxConnections) {
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      accept(socket, { ip, port })
    })
    server.listen(at.port, at.ip)
    await once(server, 'listening')
    return new OpenPort(server, sockets, { ip: at.ip, port: (server.address() as AddressInfo).port })
  }

  /** Takes no more connections. */
  stop(): void {
    this.#closed ??= new Promise((resolve) => this.#server.close(() => resolve()))
  }

  close(): Promise<void> {
    this.stop()
    for (const socket of this.#sockets) socket.destroy()
    return this.#closed ?? Promise.resolve()
  }
}
