import type { Socket } from 'node:net'
import { type Clock, systemClock } from '#shared/clock'
import { ClientConnection } from './client-connection.ts'
import { clientLimits, serverLimits } from './limits.ts'
import { ServerConnection } from './server-connection.ts'
import type { H2ClientConnection, H2Connection, H2Limits, H2RequestListener } from './types.ts'

export interface H2Options {
  /** Differences from `clientLimits` or `serverLimits`. */
  readonly limits?: Partial<H2Limits>
  readonly clock?: Clock
}

/**
 * Speaks HTTP/2 as a client over a connected socket: TLS after its handshake and after the peer was verified, or plain
 * TCP with prior knowledge. The connection owns the socket from now on.
 */
export function connectH2(socket: Socket, options: H2Options = {}): H2ClientConnection {
  const limits = { ...clientLimits, ...options.limits }
  const connection = new ClientConnection(socket, { limits, clock: options.clock ?? systemClock })
  connection.start()
  return connection
}

/** Speaks HTTP/2 as a server over a connected socket; `listener` is asked for each well-formed request. */
export function acceptH2(socket: Socket, listener: H2RequestListener, options: H2Options = {}): H2Connection {
  const limits = { ...serverLimits, ...options.limits }
  const connection = new ServerConnection(socket, listener, { limits, clock: options.clock ?? systemClock })
  connection.start()
  return connection
}
