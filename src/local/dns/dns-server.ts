import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type Answerer, answerPacket, TcpFrames, toTcpFrame } from '#shared/dns'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { formatSocketAddress, ipFamily, type SocketAddress } from '#shared/net'
import type { Logger } from '#shared/telemetry'

/** Each holds one unfinished message. */
const MAX_CONNECTIONS = 256
const IDLE_MS = 10_000

/** Serves an answerer at addresses, over UDP and TCP. */
export class DnsServer implements Closer {
  readonly #answerer: Answerer
  readonly #logger: Logger
  readonly #datagrams: DatagramSocket[] = []
  readonly #servers: Server[] = []
  readonly #connections = new Set<Socket>()

  private constructor(answerer: Answerer, logger: Logger) {
    this.#answerer = answerer
    this.#logger = logger
  }

  /** @throws MeshError `COMMAND_FAILED` when somebody else has the port; nothing is left listening */
  static async listen(addresses: readonly SocketAddress[], answerer: Answerer, logger: Logger): Promise<DnsServer> {
    const server = new DnsServer(answerer, logger)
    try {
      for (const address of addresses) {
        await server.#listenUdp(address)
        await server.#listenTcp(address)
      }
    } catch (cause) {
      await server.close()
      throw new MeshError('COMMAND_FAILED', `names cannot be served: ${reasonOf(cause)}`, { cause })
    }
    return server
  }

  /** Where it is served, for who let the kernel choose the port: that of UDP and of TCP, address by address. */
  get ports(): readonly { readonly udp: number; readonly tcp: number }[] {
    return this.#datagrams.map((socket, i) => {
      const tcp = this.#servers[i]?.address()
      return { udp: socket.address().port, tcp: typeof tcp === 'object' && tcp !== null ? tcp.port : 0 }
    })
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    const closed = [
      ...this.#datagrams.splice(0).map((socket) => new Promise<void>((done) => socket.close(() => done()))),
      ...this.#servers.splice(0).map((server) => new Promise<void>((done) => server.close(() => done()))),
    ]
    await Promise.all(closed)
  }

  async #listenUdp(address: SocketAddress): Promise<void> {
    const { ip, port } = address
    const socket = createSocket({ type: ipFamily(ip) === 4 ? 'udp4' : 'udp6', ipv6Only: ipFamily(ip) === 6 })
    socket.on('message', (packet, { address: from, port: fromPort }) => {
      const reply = this.#reply(packet, 'udp')
      // A client that is not there any more is its own loss.
      if (reply !== undefined) socket.send(reply, fromPort, from, () => {})
    })
    this.#datagrams.push(socket)
    const listening = once(socket, 'listening')
    socket.bind({ address: ip, port, exclusive: true })
    await listening
    socket.on('error', (error) =>
      this.#logger.error('names over UDP are troubled', { at: formatSocketAddress(address), reason: reasonOf(error) }),
    )
  }

  async #listenTcp(address: SocketAddress): Promise<void> {
    const server = createServer({ noDelay: true }, (connection) => this.#serve(connection))
    server.maxConnections = MAX_CONNECTIONS
    const listening = once(server, 'listening')
    server.listen({ host: address.ip, port: address.port, exclusive: true })
    await listening
    server.on('error', (error) =>
      this.#logger.error('names over TCP are troubled', { at: formatSocketAddress(address), reason: reasonOf(error) }),
    )
    this.#servers.push(server)
  }

  /** Questions one after the other; while answers are not taken, none is answered or read. */
  #serve(connection: Socket): void {
    const frames = new TcpFrames()
    const waiting: Uint8Array[] = []
    const answer = (): void => {
      for (let packet = waiting.shift(); packet !== undefined; packet = waiting.shift()) {
        const reply = this.#reply(packet, 'tcp')
        // Nothing can be told to who does not speak DNS.
        if (reply === undefined) return void connection.destroy()
        if (!connection.write(toTcpFrame(reply))) return
      }
      connection.resume()
    }
    this.#connections.add(connection)
    connection.on('close', () => this.#connections.delete(connection))
    connection.on('error', () => connection.destroy())
    connection.setTimeout(IDLE_MS, () => connection.destroy())
    connection.on('drain', answer)
    connection.on('data', (chunk) => {
      connection.pause()
      waiting.push(...frames.push(chunk))
      answer()
    })
  }

  #reply(packet: Uint8Array, transport: 'udp' | 'tcp'): Uint8Array | undefined {
    try {
      return answerPacket(packet, this.#answerer, transport)
    } catch (error) {
      // A defect of ours must not end the mesh for a packet.
      this.#logger.error('a question could not be answered', { reason: reasonOf(error) })
      return undefined
    }
  }
}
