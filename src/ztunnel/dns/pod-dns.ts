import type { Socket as DatagramSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import type { Closer, Drainable, DrainOrder } from '#shared/lifecycle'
import { type IpAddress, parseIp } from '#shared/net'
import { listenIn, receiveIn, SyscallError } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { LocalPod } from '../capture/index.ts'
import type { Asker, DnsProxy } from './dns-proxy.ts'
import { TcpClient } from './tcp-client.ts'
import type { ReplyStream } from './upstream.ts'

export interface PodDnsOptions {
  readonly proxy: Pick<DnsProxy, 'ask'>
  readonly clock: Clock
  readonly log: Logger
  readonly port: number
  readonly isIpv6Enabled: boolean
  /** SO_MARK; 0 = none. */
  readonly packetMark: number
  readonly isPortShared: boolean
  /** Shared by all pods. */
  readonly connections: ConnectionCount
}

/** How many TCP connections all pods have open for questions. */
export interface ConnectionCount {
  open: number
}

const LOOPBACK = { 4: parseIp('127.0.0.1') as IpAddress, 6: parseIp('::1') as IpAddress }
/** A namespace whose `lo` has no IPv6. */
const NO_SUCH_ADDRESS: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])

/** Each holds one unfinished message, 64 KiB at most. */
const MAX_CONNECTIONS = 1024
const MAX_POD_CONNECTIONS = 64
/** How long a drain waits for answers: then another tunnel listens here long since, and pods ask again. */
const MAX_DRAIN_MS = 2000

/** Where the questions of one pod arrive: UDP and TCP on its loopback addresses, to which the redirect leads. */
export class PodDns implements Drainable, Closer {
  readonly #options: PodDnsOptions
  readonly #asker: Asker
  readonly #end = new AbortController()
  readonly #datagrams: DatagramSocket[] = []
  readonly #servers: Server[] = []
  #connections = 0
  /** Questions whose answer has not left. */
  #unanswered = 0
  #answered: (() => void) | undefined

  /** @throws MeshError `SYSCALL_FAILED` when the port is taken; then nothing is left open */
  constructor(pod: LocalPod, options: PodDnsOptions) {
    this.#options = options
    this.#asker = { pod, waiting: 0, signal: this.#end.signal }
    try {
      this.#listen(LOOPBACK[4])
      if (options.isIpv6Enabled) this.#listenOnIpv6()
    } catch (error) {
      this.#closeAll()
      throw error
    }
  }

  /** Takes no more connections, answers what it was asked, and closes; connections are work of their pod. */
  async drain({ mode, deadlineMs }: DrainOrder): Promise<void> {
    for (const server of this.#servers.splice(0)) server.close()
    if (mode === 'graceful' && this.#unanswered > 0)
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.setTimer(Math.min(deadlineMs, MAX_DRAIN_MS), resolve, true)
        this.#answered = () => {
          timer.cancel()
          resolve()
        }
      })
    this.#closeAll()
  }

  async close(): Promise<void> {
    this.#closeAll()
  }

  #closeAll(): void {
    if (!this.#end.signal.aborted) this.#end.abort(new Error('the pod is not served any more'))
    for (const server of this.#servers.splice(0)) server.close()
    for (const socket of this.#datagrams.splice(0)) socket.close()
  }

  #listenOnIpv6(): void {
    try {
      this.#listen(LOOPBACK[6])
    } catch (error) {
      if (!(error instanceof SyscallError && NO_SUCH_ADDRESS.has(error.errno))) throw error
    }
  }

  #listen(ip: IpAddress): void {
    const { port, packetMark, isPortShared: reusePort } = this.#options
    const { netns } = this.#asker.pod
    const where = { ip, port, reusePort, ...(packetMark === 0 ? {} : { mark: packetMark }) }
    this.#datagrams.push(this.#serveDatagrams(receiveIn(netns, where)))
    this.#servers.push(this.#serveConnections(listenIn(netns, where)))
  }

  #serveDatagrams(socket: DatagramSocket): DatagramSocket {
    const { log, proxy } = this.#options
    const { uid } = this.#asker.pod
    socket.on('error', (error) => log.error('names over UDP are troubled', { pod: uid, error: error.message }))
    return socket.on('message', async (packet, { address, port }) => {
      this.#unanswered++
      const reply = await proxy.ask(this.#asker, packet, 'udp')
      const done = (): void => this.#done()
      // A client that is not there any more is its own loss. It is not sent before this returns.
      if (reply !== undefined && this.#datagrams.includes(socket)) socket.send(reply, port, address, done)
      else done()
    })
  }

  #done(): void {
    if (--this.#unanswered === 0) this.#answered?.()
  }

  #serveConnections(fd: number): Server {
    const { log } = this.#options
    const { uid } = this.#asker.pod
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#serve(socket))
    server.on('error', (error) => log.error('names over TCP are troubled', { pod: uid, error: error.message }))
    return server.listen({ fd })
  }

  #serve(socket: Socket): void {
    const { connections, clock } = this.#options
    const { work } = this.#asker.pod
    if (this.#connections >= MAX_POD_CONNECTIONS || connections.open >= MAX_CONNECTIONS)
      return void socket.on('error', () => {}).resetAndDestroy()
    this.#connections++
    connections.open++
    const client = new TcpClient({
      socket,
      clock,
      ask: (packet, stream) => this.#askByTcp(packet, stream),
      onClosed: () => {
        this.#connections--
        connections.open--
        work.leave(client)
      },
    })
    work.enter(client)
  }

  async #askByTcp(packet: Uint8Array, stream: ReplyStream): Promise<Uint8Array | undefined> {
    this.#unanswered++
    try {
      return await this.#options.proxy.ask(this.#asker, packet, 'tcp', stream)
    } finally {
      this.#done()
    }
  }
}
