import { MeshError } from '#shared/errors'
import { H2ErrorCode, type H2Stream, type H2StreamHandler, type HeaderList } from '#shared/http2'
import type { SpiffeId } from '#shared/model'
import type { OnRead, SocketAddress } from '#shared/net'
import { headerValue } from './connect-headers.ts'
import { parseConnectTarget } from './connect-target.ts'
import { type RefusalStatus, refusalStatus } from './refuse.ts'
import { H2StreamPump } from './stream-pump.ts'
import type { ConnectTarget, StreamPump, TunnelRequest } from './types.ts'

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
 * rest is handed to `onTunnel`.
 *
 * @param onMalformed told why a request was answered with 400
 */
export function receiveTunnel(
  stream: H2Stream,
  headers: HeaderList,
  origin: TunnelOrigin,
  onTunnel: (request: TunnelRequest) => void,
  onMalformed: (reason: string) => void = () => {},
): H2StreamHandler {
  const pump = new H2StreamPump('target')
  pump.attach(stream)
  const target = readTarget(headers)
  if (target instanceof MeshError) {
    refuseStream(stream, pump, refusalStatus(target))
    onMalformed(target.message)
    return pump
  }
  onTunnel(new IncomingTunnel(stream, pump, target, headers, origin))
  return pump
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
function refuseStream(stream: H2Stream, pump: H2StreamPump, status: RefusalStatus): void {
  stream.respond([[':status', String(status)]], true)
  if (stream.isOpen) stream.reset(H2ErrorCode.NO_ERROR)
  pump.abort()
}

/** One accepted CONNECT. Bytes that the client sends before the answer wait in the pump and reach nobody. */
class IncomingTunnel implements TunnelRequest {
  readonly target: ConnectTarget
  readonly headers: HeaderList
  readonly #stream: H2Stream
  readonly #pump: H2StreamPump
  readonly #origin: TunnelOrigin
  #isLost = false
  #isAnswered = false
  onCancelled: (() => void) | undefined

  constructor(stream: H2Stream, pump: H2StreamPump, target: ConnectTarget, headers: HeaderList, origin: TunnelOrigin) {
    this.#stream = stream
    this.#pump = pump
    this.target = target
    this.headers = headers
    this.#origin = origin
    pump.onLost = () => {
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

  get onread(): OnRead {
    return this.#pump.onread
  }

  get isCancelled(): boolean {
    return this.#isLost
  }

  accept(headers: HeaderList = []): StreamPump {
    this.#answer()
    this.#stream.respond([[':status', '200'], ...headers])
    return this.#pump
  }

  refuse(status: RefusalStatus): void {
    this.#answer()
    refuseStream(this.#stream, this.#pump, status)
  }

  #answer(): void {
    if (this.#isAnswered) throw new Error('a tunnel request is answered once')
    this.#isAnswered = true
  }
}
