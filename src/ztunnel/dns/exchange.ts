import type { Clock } from '#shared/clock'
import { TcpFrames, toTcpFrame } from '#shared/dns'
import { formatSocketAddress, ipFamily, type SocketAddress } from '#shared/net'
import { connectFrom, datagramsFrom, type Netns } from '#shared/sys'
import { isAnswerTo } from './wire.ts'

/** One question to one server, from a namespace. */
export interface Exchange {
  readonly netns: Netns
  readonly server: SocketAddress
  /** With the id that the answer must have. */
  readonly message: Uint8Array
  readonly timeoutMs: number
  /** SO_MARK, by which the redirect lets it pass; 0 = none. */
  readonly mark: number
  readonly clock: Clock
  /** Gives up, with its reason. */
  readonly signal: AbortSignal
}

/**
 * By a socket of its own, so that each question has a port that nobody can foresee; it is connected, so that the kernel
 * drops what comes from elsewhere. Packets that answer another question are passed over until the time is up.
 *
 * @throws Error that says why there is no answer
 */
export function askByUdp(exchange: Exchange): Promise<Uint8Array> {
  const { netns, server, message, mark } = exchange
  return settled(exchange, (answered, failed) => {
    const socket = datagramsFrom(netns, ipFamily(server.ip), mark === 0 ? {} : { mark })
    socket.on('message', (packet) => {
      if (isAnswerTo(message, packet)) answered(packet)
    })
    // Also that there is no way to it, or that nobody listens there: of a connected socket the kernel hears of it.
    socket.on('error', failed)
    socket.once('connect', () => {
      socket.send(message, (error) => {
        if (error !== null) failed(error)
      })
    })
    socket.connect(server.port, server.ip)
    return () => socket.close()
  })
}

/** By a connection of its own. @throws Error that says why there is no answer */
export function askByTcp(exchange: Exchange): Promise<Uint8Array> {
  const { netns, server, message, mark } = exchange
  return settled(exchange, (answered, failed) => {
    const socket = connectFrom(netns, server, mark === 0 ? {} : { mark })
    const frames = new TcpFrames()
    socket.on('error', failed)
    socket.on('end', () => failed(new Error('the server ended the connection')))
    socket.on('data', (chunk) => {
      const [first] = frames.push(chunk)
      if (first === undefined) return
      if (isAnswerTo(message, first)) answered(first)
      else failed(new Error('the server answered something else'))
    })
    socket.once('connect', () => socket.write(toTcpFrame(message)))
    return () => socket.destroy()
  })
}

type Begin = (answered: (packet: Uint8Array) => void, failed: (error: Error) => void) => () => void

/** Begins, and ends what was begun with the first thing that happens: an answer, a failure, the time, the signal. */
function settled(exchange: Exchange, begin: Begin): Promise<Uint8Array> {
  const { clock, timeoutMs, signal, server } = exchange
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    let end: (() => void) | undefined
    let isSettled = false
    const settle = (tell: () => void): void => {
      if (isSettled) return
      isSettled = true
      timer.cancel()
      signal.removeEventListener('abort', aborted)
      end?.()
      tell()
    }
    const failed = (error: Error): void =>
      settle(() => reject(new Error(`${formatSocketAddress(server)}: ${error.message}`, { cause: error })))
    const aborted = (): void => settle(() => reject(signal.reason))
    const timer = clock.setTimer(timeoutMs, () => failed(new Error(`no answer within ${timeoutMs} ms`)))
    signal.addEventListener('abort', aborted, { once: true })
    try {
      const begun = begin((packet) => settle(() => resolve(packet)), failed)
      if (isSettled) begun()
      else end = begun
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)))
    }
  })
}
