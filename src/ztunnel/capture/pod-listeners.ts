import { createServer, type Server, type Socket } from 'node:net'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer, Drainable, DrainOrder } from '#shared/lifecycle'
import { type IpAddress, parseIp, type SocketAddress } from '#shared/net'
import { listenIn, originalDestination } from '#shared/sys'
import type { Counter, Logger } from '#shared/telemetry'
import { PausedSocket } from './accepted-socket.ts'
import type { CaptureHandlers, CaptureSettings, LocalPod } from './types.ts'

/** Default of `maxWork`. */
const MAX_POD_WORK = 32_768

const MAPPED_PREFIX = '::ffff:'

/** Pending connections of a listener; the kernel cuts it to net.core.somaxconn. */
const BACKLOG = 1024

export interface PodListenersOptions {
  readonly settings: CaptureSettings
  readonly handlers: CaptureHandlers
  readonly log: Logger
  /** Connections and tunnels that one pod may have open; more are reset as they come. */
  readonly maxWork?: number
  /** Connections reset because their pod had too many. */
  readonly overflows: Counter
}

/** The three listeners of one pod, in its namespace: 15001 outbound, 15006 plaintext in, 15008 tunnels in. */
export class PodListeners implements Closer, Drainable {
  readonly pod: LocalPod
  readonly #options: PodListenersOptions
  readonly #servers: readonly Server[]

  /** @throws MeshError `SYSCALL_FAILED` when a port is taken or a socket cannot be made; then nothing is left open */
  constructor(pod: LocalPod, options: PodListenersOptions) {
    this.pod = pod
    this.#options = options
    const { settings, handlers } = options
    const opened: Server[] = []
    try {
      opened.push(this.#listen(settings.outboundPort, (socket) => this.#captured(socket, handlers.outbound)))
      opened.push(this.#listen(settings.plaintextPort, (socket) => this.#captured(socket, handlers.plaintext)))
      opened.push(this.#listen(settings.hbonePort, (socket) => this.#tunnel(socket)))
    } catch (error) {
      for (const server of opened) server.close()
      throw error
    }
    this.#servers = opened
  }

  /**
   * Stops accepting, lets what runs finish until the deadline, then cuts it. Immediate: cuts at once, without a GOAWAY;
   * the namespace may be gone already.
   */
  async drain(order: DrainOrder): Promise<void> {
    for (const server of this.#servers) server.close()
    await this.pod.work.drain(order)
  }

  async close(): Promise<void> {
    await this.drain({ mode: 'immediate', deadlineMs: 0 })
  }

  #listen(port: number, accept: (socket: Socket) => void): Server {
    const { settings, log, maxWork = MAX_POD_WORK } = this.#options
    const keepAlive = port === settings.hbonePort ? undefined : settings.keepAlive
    const fd = listenIn(this.pod.netns, {
      ip: (settings.isIpv6Enabled ? '::' : '0.0.0.0') as IpAddress,
      port,
      ...(settings.packetMark === 0 ? {} : { mark: settings.packetMark }),
      transparent: settings.isSourceKept,
      reusePort: settings.isPortShared,
      backlog: BACKLOG,
      ...(keepAlive === undefined ? {} : { keepAlive }),
    })
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    server.on('connection', (socket) => {
      if (this.pod.work.size < maxWork) accept(socket)
      else this.#overflow(socket)
    })
    server.on('error', (error) => log.error('listener failed', { pod: this.pod.uid, port, error: error.message }))
    server.listen({ fd, backlog: BACKLOG })
    return server
  }

  #captured(socket: Socket, handle: CaptureHandlers['outbound']): void {
    const source = addressOf(socket.remoteAddress, socket.remotePort)
    // Gone again before it was looked at.
    if (source === undefined) return void socket.destroy()
    let target: SocketAddress
    try {
      target = originalDestination(socket)
    } catch (error) {
      this.#options.log.debug('no original destination', { pod: this.pod.uid, error: reasonOf(error) })
      return void socket.destroy()
    }
    handle({ pod: this.pod, source, originalDestination: target, accepted: new PausedSocket(socket) })
  }

  #tunnel(socket: Socket): void {
    const source = addressOf(socket.remoteAddress, socket.remotePort)
    const acceptedOn = addressOf(socket.localAddress, socket.localPort)
    if (source === undefined || acceptedOn === undefined) return void socket.destroy()
    this.#options.handlers.tunnel({ pod: this.pod, source, acceptedOn, socket })
  }

  #overflow(socket: Socket): void {
    this.#options.overflows.value++
    socket.resetAndDestroy()
  }
}

/** Node writes link-local addresses with their zone, which means nothing to policies and logs. */
function addressOf(text: string | undefined, port: number | undefined): SocketAddress | undefined {
  const ip = parseIp(unmapped(text ?? ''))
  return ip === undefined || port === undefined ? undefined : { ip, port }
}

/** Dual-stack sockets show IPv4 as IPv6; to be rid of that first is cheaper than to parse it as IPv6. */
function unmapped(text: string): string {
  if (text.startsWith(MAPPED_PREFIX)) return text.slice(MAPPED_PREFIX.length)
  const zone = text.indexOf('%')
  return zone < 0 ? text : text.slice(0, zone)
}

/** For an acknowledgement: short, since the agent reads 1,024 bytes. */
export function startFailure(error: unknown): MeshError {
  return new MeshError('SYSCALL_FAILED', `failure to start proxy : ${reasonOf(error).slice(0, 512)}`, { cause: error })
}
