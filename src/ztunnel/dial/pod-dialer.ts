import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Cancellation } from '#shared/lifecycle'
import { formatSocketAddress, type IpAddress, type OnRead, type SocketAddress } from '#shared/net'
import { connectFrom, type DialOptions, type KeepAlive } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { LocalPod } from '../capture/index.ts'

/** ztunnel's limit for a TCP connection to be made. */
const CONNECT_TIMEOUT_MS = 10_000

export interface PodDialerOptions {
  readonly clock: Clock
  readonly log: Logger
  /** SO_MARK; 0 = none. */
  readonly packetMark: number
  /** Of each dialled connection; undefined = none. */
  readonly keepAlive: KeepAlive | undefined
  /**
   * Whether applications see the client's own address: `always` = a connection that cannot be made from it fails,
   * `if-possible` = it is then made from the pod's own, with a warning.
   */
  readonly sourceKeeping: 'always' | 'if-possible' | 'never'
}

export interface Dial {
  readonly target: SocketAddress
  /** A foreign address to dial from. */
  readonly source?: IpAddress | undefined
  /** `target` is this pod itself, which answers `source` through loopback by the mark of its redirect rules. */
  readonly isToPodItself?: boolean
  readonly onread?: OnRead
}

/** Makes connections from the network namespace of a pod, marked as the tunnel's own. */
export class PodDialer {
  readonly #options: PodDialerOptions
  #hasWarned = false

  constructor(options: PodDialerOptions) {
    this.#options = options
  }

  /** A connecting socket; its owner hears of `connect` and `error`. @throws MeshError `SYSCALL_FAILED` */
  start(pod: LocalPod, { target, source, isToPodItself, onread }: Dial): Socket {
    const { packetMark, keepAlive, sourceKeeping } = this.#options
    const options: DialOptions = {
      ...(packetMark === 0 ? {} : { mark: packetMark }),
      ...(onread === undefined ? {} : { onread }),
      ...(keepAlive === undefined ? {} : { keepAlive }),
    }
    if (source === undefined || sourceKeeping === 'never') return connectFrom(pod.netns, target, options)
    try {
      return connectFrom(pod.netns, target, {
        ...options,
        source,
        throughLoopback: isToPodItself === true && packetMark !== 0,
      })
    } catch (error) {
      if (sourceKeeping === 'always') throw error
      if (!this.#hasWarned) {
        this.#hasWarned = true
        this.#options.log.warn('clients keep their address no longer', { error: reasonOf(error) })
      }
      return connectFrom(pod.netns, target, options)
    }
  }

  /**
   * A connected socket of which nothing has been read: it is paused, and reading starts with `resume()`.
   *
   * @param cancellations any of them gives up
   * @throws MeshError `UPSTREAM_CONNECT_FAILED`, `UPSTREAM_CONNECT_TIMEOUT` (10 s), `SYSCALL_FAILED`; the socket is gone
   */
  async connect(pod: LocalPod, dial: Dial, ...cancellations: readonly Cancellation[]): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const socket = this.start(pod, dial)
    socket.pause()
    const fail = (error: MeshError): void => {
      stop()
      // Whatever the socket still says is of no interest; without a listener it would end the process.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const onConnect = (): void => {
      stop()
      resolve(socket)
    }
    const onError = (cause: Error): void =>
      fail(new MeshError('UPSTREAM_CONNECT_FAILED', plainReason(cause), { cause }))
    const giveUp = (): void => fail(new MeshError('UPSTREAM_CONNECT_FAILED', 'given up'))
    const timer = this.#options.clock.setTimer(CONNECT_TIMEOUT_MS, () => {
      const text = `no answer from ${formatSocketAddress(dial.target)} within ${CONNECT_TIMEOUT_MS / 1000} s`
      fail(new MeshError('UPSTREAM_CONNECT_TIMEOUT', text))
    })
    const stop = (): void => {
      timer.cancel()
      socket.off('connect', onConnect)
      socket.off('error', onError)
      for (const cancellation of cancellations) cancellation.onCancelled = undefined
    }
    socket.once('connect', onConnect)
    socket.once('error', onError)
    for (const cancellation of cancellations) cancellation.onCancelled = giveUp
    if (cancellations.some(({ isCancelled }) => isCancelled)) giveUp()
    return promise
  }
}

/** `connect ECONNREFUSED 10.0.0.1:80` says all there is to say. */
function plainReason(error: Error): string {
  return error.message === '' ? String((error as NodeJS.ErrnoException).code) : error.message
}
