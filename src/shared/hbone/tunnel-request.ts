import { MeshError } from '#shared/errors'
import { H2ErrorCode, type H2Stream, type H2StreamHandler, type HeaderList } from '#shared/http2'
import type { SpiffeId } from '#shared/model'
import type { ByteChannel, OnRead, SocketAddress } from '#shared/net'
import { headerValue } from './connect-headers.ts'
import { parseConnectTarget } from './connect-target.ts'
import { type RefusalStatus, refusalStatus } from './refuse.ts'
import { StreamChannel } from './stream-channel.ts'
import { H2StreamPump } from './stream-pump.ts'
import type { TunnelEnd } from './tunnel-end.ts'
import type {
  ChannelRequest,
  ConnectTarget,
  IncomingConnect,
  StreamPump,
  TunnelListener,
  TunnelRequest,
} from './types.ts'

/** What is shown of a peer's text. */
const SHOWN_CHARS = 64

/** What all requests of one tunnel connection have in common. */
export interface TunnelOrigin {
  readonly peer: SpiffeId
  readonly source: SocketAddress
  readonly acceptedOn: SocketAddress
}

/**
 * Takes a request that the engine found well-formed. What is no CONNECT with a target is answered here with 400; the
 * rest is handed to the listener.
 *
 * @param onMalformed told why a request was answered with 400
 */
export function receiveTunnel(
  stream: H2Stream,
  headers: HeaderList,
  origin: TunnelOrigin,
  listener: TunnelListener,
  onMalformed: (reason: string) => void = () => {},
): H2StreamHandler {
  const target = readTarget(headers)
  if ('onTunnel' in listener) {
    const pump = attached(new H2StreamPump('target'), stream)
    if (target instanceof MeshError) refuseMalformed(pump, target)
    else listener.onTunnel(new IncomingTunnel(stream, pump, target, headers, origin))
    return pump
  }
  const channel = attached(new StreamChannel(), stream)
  if (target instanceof MeshError) refuseMalformed(channel, target)
  else listener.onChannel(new IncomingChannel(stream, channel, target, headers, origin))
  return channel

  function refuseMalformed(end: TunnelEnd, error: MeshError): void {
    refuseStream(stream, end, refusalStatus(error))
    onMalformed(error.message)
  }
}

function attached<E extends TunnelEnd>(end: E, stream: H2Stream): E {
  end.attach(stream)
  return end
}

function readTarget(headers: HeaderList): ConnectTarget | MeshError {
  const method = headerValue(headers, ':method')
  if (method !== 'CONNECT') {
    return new MeshError('HBONE_TARGET_INVALID', `expected method CONNECT, got ${method?.slice(0, SHOWN_CHARS)}`)
  }
  try {
    return parseConnectTarget(headerValue(headers, ':authority') ?? '')
  } catch (error) {
    if (error instanceof MeshError) return error
    throw error
  }
}

/** A whole answer without a body; then the client is told to send no more (RFC 9113 §8.1). */
function refuseStream(stream: H2Stream, end: TunnelEnd, status: RefusalStatus): void {
  stream.respond([[':status', String(status)]], true)
  if (stream.isOpen) stream.reset(H2ErrorCode.NO_ERROR)
  end.abort()
}

/** One accepted CONNECT. Bytes that the client sends before the answer wait in its end and reach nobody. */
abstract class Incoming<E extends TunnelEnd> implements IncomingConnect {
  readonly target: ConnectTarget
  readonly headers: HeaderList
  protected readonly end: E
  readonly #stream: H2Stream
  readonly #origin: TunnelOrigin
  #isLost = false
  #isAnswered = false
  onCancelled: (() => void) | undefined

  constructor(stream: H2Stream, end: E, target: ConnectTarget, headers: HeaderList, origin: TunnelOrigin) {
    this.#stream = stream
    this.end = end
    this.target = target
    this.headers = headers
    this.#origin = origin
    end.onLost = () => {
      this.#isLost = true
      if (!this.#isAnswered) this.onCancelled?.()
    }
  }

  get peer(): SpiffeId {
    return this.#origin.peer
  }

  get source(): SocketAddress {
    return this.#origin.source
  }

  get acceptedOn(): SocketAddress {
    return this.#origin.acceptedOn
  }

  get isCancelled(): boolean {
    return this.#isLost
  }

  refuse(status: RefusalStatus): void {
    this.#answer()
    refuseStream(this.#stream, this.end, status)
  }

  protected open(headers: HeaderList): E {
    this.#answer()
    this.#stream.respond([[':status', '200'], ...headers])
    return this.end
  }

  #answer(): void {
    if (this.#isAnswered) throw new Error('a tunnel request is answered once')
    this.#isAnswered = true
  }
}

class IncomingTunnel extends Incoming<H2StreamPump> implements TunnelRequest {
  get onread(): OnRead {
    return this.end.onread
  }

  accept(headers: HeaderList = []): StreamPump {
    return this.open(headers)
  }
}

class IncomingChannel extends Incoming<StreamChannel> implements ChannelRequest {
  acceptChannel(headers: HeaderList = []): ByteChannel {
    return this.open(headers)
  }
}
