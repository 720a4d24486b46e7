import { createServer, type Server } from 'node:net'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer, Drainable, DrainOrder } from '#shared/lifecycle'
import { acceptRaw, type IpAddress, parseIp, type RawConnection, type SocketAddress } from '#shared/net'
import { listenIn, originalDestination, setNetSysctl } from '#shared/sys'
import type { Counter, Logger } from '#shared/telemetry'
import { discarded, UnreadSocket } from './accepted-socket.ts'
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
  /** Opens what answers the pod's DNS queries; undefined = nothing does. @throws MeshError `SYSCALL_FAILED` */
  readonly openDns?: ((pod: LocalPod) => Drainable) | undefined
}

/** The listeners of one pod, in its namespace: 15001 outbound, 15006 plaintext in, 15008 tunnels in, and DNS. */
export class PodListeners implements Closer, Drainable {
  readonly pod: LocalPod
  readonly #options: PodListenersOptions
  readonly #servers: readonly Server[]
  readonly #dns: Drainable | undefined

  /** @throws MeshError `SYSCALL_FAILED` when a port is taken or a socket cannot be made; then nothing is left open */
  constructor(pod: LocalPod, options: PodListenersOptions) {
    this.pod = pod
    this.#options = options
    const { settings, handlers } = options
    if (settings.isPortShared) this.#letWaitingMove()
    const opened: Server[] = []
    try {
      opened.push(this.#listen(settings.outboundPort, (accepted) => this.#captured(accepted, handlers.outbound)))
      opened.push(this.#listen(settings.plaintextPort, (accepted) => this.#captured(accepted, handlers.plaintext)))
      opened.push(this.#listen(settings.hbonePort, (accepted) => this.#tunnel(accepted)))
      this.#dns = options.openDns?.(pod)
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
    await Promise.all([this.pod.work.drain(order), this.#dns?.drain(order)])
  }

  async close(): Promise<void> {
    await this.drain({ mode: 'immediate', deadlineMs: 0 })
  }

  /**
   * Connections that wait in a listener's queue when it is closed move to the next tunnel's listener instead of being
   * reset (Linux 5.14, ip-sysctl tcp_migrate_req), so that a restart refuses none.
   */
  #letWaitingMove(): void {
    try {
      setNetSysctl(this.pod.netns, 'ipv4/tcp_migrate_req', '1')
    } catch (error) {
      this.#options.log.warn('a restart may refuse connections of this pod that are just being made', {
        pod: this.pod.uid,
        reason: reasonOf(error),
      })
    }
  }

  #listen(port: number, accept: (accepted: RawConnection) => void): Server {
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
    server.on('error', (error) => log.error('listener failed', { pod: this.pod.uid, port, error: error.message }))
    server.listen({ fd, backlog: BACKLOG })
    acceptRaw(server, (accepted) => {
      if (this.pod.work.size < maxWork) accept(accepted)
      else this.#overflow(accepted)
    })
    return server
  }

  #captured(accepted: RawConnection, handle: CaptureHandlers['outbound']): void {
    const source = sourceOf(accepted)
    // Gone again before it was looked at.
    if (source === undefined) return void discarded(accepted).destroy()
    let target: SocketAddress
    try {
      target = originalDestination(accepted.fd)
    } catch (error) {
      this.#options.log.debug('no original destination', { pod: this.pod.uid, error: reasonOf(error) })
      return void discarded(accepted).destroy()
    }
    handle({ pod: this.pod, source, originalDestination: target, accepted: new UnreadSocket(accepted) })
  }

  #tunnel(accepted: RawConnection): void {
    const source = sourceOf(accepted)
    const socket = accepted.toSocket()
    const acceptedOn = addressOf(socket.localAddress, socket.localPort)
    if (source === undefined || acceptedOn === undefined) return void socket.destroy()
    this.#options.handlers.tunnel({ pod: this.pod, source, acceptedOn, socket })
  }

  #overflow(accepted: RawConnection): void {
    this.#options.overflows.value++
    discarded(accepted).resetAndDestroy()
  }
}

function sourceOf({ remote }: RawConnection): SocketAddress | undefined {
  return addressOf(remote?.address, remote?.port)
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
