import { createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { acceptRaw, type RawConnection, resetSocket, type SocketAddress, SocketPipe } from '#shared/net'
import { connectFrom, type Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'

/** Where a connection goes, and the node that it is made from, whose address the pod sees. */
export interface ForwardTarget extends SocketAddress {
  readonly from: Netns
}

export interface ForwardSettings {
  readonly clock: Clock
  readonly logger: Logger
  /** Shared by all ports. */
  readonly limit: ConnectionLimit
  /** Chosen anew for each connection; undefined: there is nobody. */
  readonly target: () => ForwardTarget | undefined
}

const DIAL_MS = 10_000

/** How many connections there may be at once. */
export class ConnectionLimit {
  readonly #max: number
  #count = 0

  constructor(max: number) {
    this.#max = max
  }

  /** False when there are too many. */
  enter(): boolean {
    if (this.#count >= this.#max) return false
    this.#count++
    return true
  }

  leave(): void {
    this.#count--
  }
}

/** Carries what comes in on one listening socket to endpoints of a service. */
export class PortForward implements Closer {
  readonly #settings: ForwardSettings
  readonly #server: Server
  readonly #pipes = new Set<SocketPipe>()

  /** @param fd a listening socket; owned from here */
  constructor(fd: number, settings: ForwardSettings) {
    this.#settings = settings
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    this.#server.on('error', (error) =>
      settings.logger.error('a port of the machine is troubled', { reason: reasonOf(error) }),
    )
    this.#server.listen({ fd }, () => acceptRaw(this.#server, (connection) => this.#carry(connection)))
  }

  /** Takes no new connections; those that are there go on until their own end. */
  stopListening(): void {
    this.#server.close()
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#server.close()
    for (const pipe of this.#pipes) pipe.abort()
  }

  #carry(connection: RawConnection): void {
    const { limit, target: choose } = this.#settings
    const target = choose()
    if (target === undefined || !limit.enter()) {
      resetSocket(connection.toSocket())
      return
    }
    const pipe = new SocketPipe()
    let upstream: Socket
    try {
      upstream = connectFrom(target.from, target, { onread: pipe.targetOnread })
    } catch {
      limit.leave()
      resetSocket(connection.toSocket())
      return
    }
    this.#pipes.add(pipe)
    const downstream = connection.toSocket(pipe.openerOnread)
    this.#watchDial(upstream)
    void pipe.bind(downstream, upstream).then(() => {
      this.#pipes.delete(pipe)
      limit.leave()
    })
  }

  /** An endpoint that does not answer is as good as one that refuses. */
  #watchDial(upstream: Socket): void {
    const timer = this.#settings.clock.setTimer(DIAL_MS, () => upstream.destroy(new Error('no answer in time')))
    upstream.once('connect', () => timer.cancel())
    upstream.once('close', () => timer.cancel())
  }
}
