import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import {
  acceptH2,
  type H2Connection,
  H2ErrorCode,
  type H2Limits,
  type H2Stream,
  type H2StreamHandler,
  type HeaderList,
} from '#shared/http2'
import type { DrainOrder } from '#shared/lifecycle'
import type { Slab } from '#shared/net'
import type { InnerConnection } from '../../listen/index.ts'
import type { BodySink, BodySource, Exchange, RequestHead, ResponseHead, ServedConnection } from '../types.ts'
import { lengthOf, readRequest, writeResponse } from './heads.ts'
import { INNER_LIMITS } from './limits.ts'
import { NowhereSink, StreamSink, StreamSource } from './stream-body.ts'

export interface Http2ServerSettings {
  readonly clock: Clock
  /** Differences from `INNER_LIMITS`. */
  readonly limits?: Partial<H2Limits>
  /** Called for each request that can be read. It must not throw. */
  readonly onExchange: (exchange: Exchange) => void
  /** The connection is gone, with its last exchange; `reason` is for a log line. */
  readonly onClosed?: (reason: string) => void
  /** Told of requests that are answered here. */
  readonly onUnreadable?: (reason: string) => void
}

/** Serves HTTP/2 with prior knowledge on a connection's channel, which it starts and owns. */
export function serveHttp2(inner: InnerConnection, settings: Http2ServerSettings): ServedConnection {
  return new ServedHttp2(inner, settings)
}

class ServedHttp2 implements ServedConnection {
  readonly #h2: H2Connection

  constructor(inner: InnerConnection, { clock, limits, onExchange, onClosed, onUnreadable }: Http2ServerSettings) {
    this.#h2 = acceptH2(
      inner.channel,
      (stream, headers, isEnd) => {
        const request = readRequest(headers)
        if ('reason' in request) {
          refuse(stream, request.status)
          onUnreadable?.(request.reason)
          return UNHEARD
        }
        const exchange = new Http2Exchange(inner, stream, request, isEnd ? 0 : lengthOf(headers), clock.monotonicMs())
        onExchange(exchange)
        return exchange
      },
      { clock, limits: { ...INNER_LIMITS, ...limits } },
    )
    this.#h2.onClosed = onClosed
  }

  get activeCount(): number {
    return this.#h2.streamCount
  }

  drain(order: DrainOrder): Promise<void> {
    return this.#h2.drain(order)
  }

  close(): Promise<void> {
    return this.#h2.close()
  }
}

function refuse(stream: H2Stream, status: number): void {
  stream.respond([[':status', String(status)]], true)
  if (stream.isOpen) stream.reset(H2ErrorCode.NO_ERROR)
}

const UNHEARD: H2StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onWritable() {} }

/** One stream as an exchange. It stays until both bodies are through, or somebody cuts it. */
class Http2Exchange implements Exchange, H2StreamHandler {
  readonly connection: InnerConnection
  readonly request: RequestHead
  readonly receivedAtMs: number
  onClientGone: (() => void) | undefined
  readonly #stream: H2Stream
  readonly #source: StreamSource
  #sink: StreamSink | undefined
  #isAnswered = false
  #isCut = false

  constructor(
    connection: InnerConnection,
    stream: H2Stream,
    request: RequestHead,
    lengthBytes: number | undefined,
    receivedAtMs: number,
  ) {
    this.connection = connection
    this.#stream = stream
    this.request = request
    this.receivedAtMs = receivedAtMs
    this.#source = new StreamSource(stream, lengthBytes, () => this.#endWhenAnswered())
  }

  get body(): BodySource {
    return this.#source
  }

  get requestBytes(): number {
    return this.#source.receivedBytes
  }

  get responseBytes(): number {
    return this.#sink?.sentBytes ?? 0
  }

  inform(head: ResponseHead): void {
    if (head.status === 101 || this.#isAnswered || this.#isCut) return
    this.#stream.respondInformational(writeResponse(head, undefined))
  }

  respond(head: ResponseHead, lengthBytes: number | undefined): BodySink {
    if (this.#isAnswered) throw new Error('an exchange is answered once')
    this.#isAnswered = true
    const hasNoBody = lengthBytes === 0 || isBodiless(this.request.method, head.status)
    this.#stream.respond(writeResponse(head, lengthBytes), hasNoBody)
    if (hasNoBody) {
      this.#endWhenAnswered()
      return new NowhereSink()
    }
    this.#sink = new StreamSink(this.#stream, H2ErrorCode.INTERNAL_ERROR, () => this.#endWhenAnswered())
    if (this.#isCut) this.#sink.abort(gone(''))
    return this.#sink
  }

  abort(error: MeshError): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#stream.reset(H2ErrorCode.INTERNAL_ERROR)
    this.#source.onLost(error)
    this.#sink?.onLost()
  }

  /**
   * The answer is through, and nobody wants the rest of the request: the client is told so, without an error (RFC 9113
   * §8.1). A request that somebody still takes goes on.
   */
  #endWhenAnswered(): void {
    const isAnswerOver = this.#isAnswered && (this.#sink?.isOver ?? true)
    if (isAnswerOver && !this.#source.isWanted && this.#stream.isOpen) this.#stream.reset(H2ErrorCode.NO_ERROR)
  }

  // ---- from the stream

  onData(slab: Slab, start: number, end: number): void {
    this.#source.onData(slab.buffer, start, end)
  }

  onEnd(trailers: HeaderList | undefined): void {
    this.#source.onEnd(trailers)
  }

  onWritable(): void {
    this.#sink?.onWritable()
  }

  onReset(_code: number, reason: string): void {
    if (this.#isCut) return
    this.#isCut = true
    const isAnswerOver = this.#isAnswered && (this.#sink?.isOver ?? true)
    this.#source.onLost(gone(reason))
    this.#sink?.onLost()
    if (!isAnswerOver) this.onClientGone?.()
  }
}

/** RFC 9110 §6.4.1. */
function isBodiless(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

function gone(reason: string): MeshError {
  return new MeshError('CLIENT_GONE', reason === '' ? 'the client has gone' : `the client has gone: ${reason}`)
}
