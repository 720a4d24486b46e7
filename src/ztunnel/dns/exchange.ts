import type { Clock, Timer } from '#shared/clock'
import { TcpFrames, toTcpFrame } from '#shared/dns'
import { reasonOf } from '#shared/errors'
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

/**
 * All messages of an answer, by a connection of its own, no faster than they are taken. It ends when the server ends the
 * connection, or says nothing more for `timeoutMs`: whether that was all only who asked can tell.
 *
 * @throws Error that says why there is no answer, or no more of it
 */
export async function* answersByTcp(exchange: Exchange): AsyncGenerator<Uint8Array, void, undefined> {
  const { netns, server, message, timeoutMs, mark, clock, signal } = exchange
  signal.throwIfAborted()
  const socket = connectFrom(netns, server, mark === 0 ? {} : { mark })
  const frames = new TcpFrames()
  let isSilent = false
  let count = 0
  const wait = (): Timer =>
    clock.setTimer(timeoutMs, () => {
      isSilent = true
      socket.destroy()
    })
  let silence = wait()
  const aborted = (): void => void socket.destroy(new Error(reasonOf(signal.reason)))
  signal.addEventListener('abort', aborted, { once: true })
  socket.once('connect', () => socket.write(toTcpFrame(message)))
  try {
    for await (const chunk of socket) {
      for (const packet of frames.push(chunk)) {
        silence.cancel()
        count++
        yield packet
        silence = wait()
      }
    }
    if (count === 0 || frames.isWithinMessage) throw new Error('the server ended the connection')
  } catch (error) {
    if (isSilent && count > 0 && !frames.isWithinMessage) return
    const reason = isSilent ? `no answer within ${timeoutMs} ms` : reasonOf(error)
    throw new Error(`${formatSocketAddress(server)}: ${reason}`, { cause: error })
  } finally {
    silence.cancel()
    signal.removeEventListener('abort', aborted)
    socket.destroy()
  }
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
