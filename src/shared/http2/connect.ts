import { Socket } from 'node:net'
import { type Clock, systemClock } from '#shared/clock'
import type { ByteChannel } from '#shared/net'
import { ClientConnection } from './client-connection.ts'
import { clientLimits, serverLimits } from './limits.ts'
import { ServerConnection } from './server-connection.ts'
import { ChannelTransport, SocketTransport, type Transport } from './transport.ts'
import type { H2ClientConnection, H2Connection, H2Limits, H2RequestListener } from './types.ts'

export interface H2Options {
  /** Differences from `clientLimits` or `serverLimits`. */
  readonly limits?: Partial<H2Limits>
  readonly clock?: Clock
}

/**
 * Speaks HTTP/2 as a client over a connected socket: TLS after its handshake and after the peer was verified, or plain
 * TCP with prior knowledge; or over a channel that nobody has started. The connection owns it from now on.
 */
export function connectH2(over: Socket | ByteChannel, options: H2Options = {}): H2ClientConnection {
  const limits = { ...clientLimits, ...options.limits }
  const connection = new ClientConnection(transportOf(over), { limits, clock: options.clock ?? systemClock })
  connection.start()
  return connection
}

/** Speaks HTTP/2 as a server over a connected socket or an unstarted channel; `listener` is asked for each well-formed request. */
export function acceptH2(
  over: Socket | ByteChannel,
  listener: H2RequestListener,
  options: H2Options = {},
): H2Connection {
  const limits = { ...serverLimits, ...options.limits }
  const connection = new ServerConnection(transportOf(over), listener, { limits, clock: options.clock ?? systemClock })
  connection.start()
  return connection
}

function transportOf(over: Socket | ByteChannel): Transport {
  return over instanceof Socket ? new SocketTransport(over) : new ChannelTransport(over)
}
