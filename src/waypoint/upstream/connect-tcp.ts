import { lookup } from 'node:dns/promises'
import { connect, type Socket } from 'node:net'
import { MeshError, reasonOf } from '#shared/errors'
import type { ConnectTarget } from '#shared/hbone'
import type { ConnectionPool } from '#shared/l7'
import type { Cancellation } from '#shared/lifecycle'
import { descriptorOf, formatSocketAddress, parseIp, type SocketAddress } from '#shared/net'
import { setKeepAlive } from '#shared/sys'
import { givenUp } from './given-up.ts'

/**
 * The address of an endpoint; of a host name the first that the system's resolver gives, which ends in its own time though
 * nobody waits any more.
 *
 * @throws MeshError `UPSTREAM_CONNECT_FAILED`, `CLIENT_GONE` when given up
 */
export async function resolveTarget(target: ConnectTarget, cancellation: Cancellation): Promise<SocketAddress> {
  if (target.kind === 'address') return { ip: target.ip, port: target.port }
  const cancelled = Promise.withResolvers<never>()
  cancellation.onCancelled = () => cancelled.reject(givenUp())
  try {
    const { address } = await Promise.race([lookup(target.hostname), cancelled.promise])
    const ip = parseIp(address)
    if (ip !== undefined) return { ip, port: target.port }
    throw new Error(`not an address: ${address}`)
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw new MeshError('UPSTREAM_CONNECT_FAILED', `no address of ${target.hostname}: ${reasonOf(error)}`, {
      cause: error,
    })
  } finally {
    cancellation.onCancelled = undefined
  }
}

/** @throws MeshError `UPSTREAM_CONNECT_FAILED`, `CLIENT_GONE` when given up */
export function connectTcp(
  to: SocketAddress,
  keepalive: ConnectionPool['keepalive'],
  cancellation: Cancellation,
): Promise<Socket> {
  if (cancellation.isCancelled) return Promise.reject(givenUp())
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect({ host: to.ip, port: to.port, allowHalfOpen: true, noDelay: true })
  const fail = (error: MeshError): void => {
    settle()
    socket.destroy()
    reject(error)
  }
  const onError = (cause: Error): void =>
    fail(new MeshError('UPSTREAM_CONNECT_FAILED', `${formatSocketAddress(to)}: ${cause.message}`, { cause }))
  const onConnect = (): void => {
    settle()
    const fd = descriptorOf(socket)
    if (keepalive !== undefined && fd !== undefined) setKeepAlive(fd, keepAliveOf(keepalive))
    resolve(socket)
  }
  const settle = (): void => {
    cancellation.onCancelled = undefined
    socket.off('error', onError).off('connect', onConnect)
    // An error that comes later is told by 'close'; it must have somebody to hear it all the same.
    socket.on('error', () => {})
  }
  socket.on('error', onError).on('connect', onConnect)
  cancellation.onCancelled = () => fail(givenUp())
  return promise
}

function keepAliveOf({ probes, timeMs, intervalMs }: NonNullable<ConnectionPool['keepalive']>): {
  idleMs: number
  intervalMs: number
  probes: number
} {
  return { idleMs: timeMs, intervalMs, probes }
}
