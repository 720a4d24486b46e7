import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import {
  connectH2,
  type H2ClientConnection,
  H2ErrorCode,
  type H2Limits,
  type H2Stream,
  type H2StreamHandler,
  type HeaderList,
} from '#shared/http2'
import type { ByteChannel, Slab } from '#shared/net'
import type {
  BodySink,
  HttpClientConnection,
  RequestHead,
  ResponseHead,
  UpstreamExchange,
  UpstreamResponse,
} from '../types.ts'
import { lengthOf, readResponse, writeRequest } from './heads.ts'
import { ENDPOINT_LIMITS, UNTOLD_MAX_STREAMS } from './limits.ts'
import { EmptySource, NowhereSink, StreamSink, StreamSource } from './stream-body.ts'

export interface Http2ClientSettings {
  readonly clock: Clock
  /** Differences from `ENDPOINT_LIMITS`. */
  readonly limits?: Partial<H2Limits>
  /** Requests at once, whatever more the peer takes. */
  readonly maxConcurrentStreams?: number
}

/** How long a connection that takes no more requests waits for its last one: as long as a timer can be set. */
const UNTIL_LAST_REQUEST_MS = 2 ** 31 - 1

/** Speaks HTTP/2 with prior knowledge to an endpoint; the channel is started and owned from now on. */
export function connectHttp2(channel: ByteChannel, settings: Http2ClientSettings): HttpClientConnection {
  return new Http2Client(channel, settings)
}

class Http2Client implements HttpClientConnection {
  readonly protocol = 'http2'
  onChanged: (() => void) | undefined
  readonly #h2: H2ClientConnection
  readonly #maxStreams: number
  #isRetired = false
  #isClosed = false
  #sentCount = 0

  constructor(channel: ByteChannel, { clock, limits, maxConcurrentStreams }: Http2ClientSettings) {
    this.#maxStreams = maxConcurrentStreams ?? UNTOLD_MAX_STREAMS
    this.#h2 = connectH2(channel, { clock, limits: { ...ENDPOINT_LIMITS, ...limits } })
    this.#h2.onPeerChanged = () => this.onChanged?.()
    this.#h2.onClosed = () => {
      this.#isClosed = true
      this.onChanged?.()
    }
  }

  get capacity(): number {
    if (this.#isRetired || !this.#h2.isUsable) return 0
    return Math.max(0, Math.min(this.#maxStreams, this.#h2.peerMaxConcurrentStreams) - this.#h2.streamCount)
  }

  get activeCount(): number {
    return this.#h2.streamCount
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** @throws MeshError `UPSTREAM_REFUSED_STREAM` without capacity, `UPSTREAM_PROTOCOL` for an upgrade that is not taken */
  send(request: RequestHead, lengthBytes: number | undefined): UpstreamExchange {
    if (this.capacity === 0) throw new MeshError('UPSTREAM_REFUSED_STREAM', 'the connection takes no more requests')
    if (request.upgrade !== undefined && !this.#h2.isExtendedConnectTaken)
      throw new MeshError('UPSTREAM_PROTOCOL', `the endpoint takes no ${request.upgrade} over HTTP/2`)
    const isReused = this.#sentCount++ > 0
    return new RequestStream(this.#h2, request, lengthBytes, isReused, () => this.onChanged?.()).exchange
  }

  retire(): void {
    if (this.#isRetired) return
    this.#isRetired = true
    void this.#h2.drain({ mode: 'graceful', deadlineMs: UNTIL_LAST_REQUEST_MS })
  }

  destroy(): void {
    this.#isRetired = true
    void this.#h2.close()
  }
}

/** What the asker holds of a request: the stream's own calls have other shapes. */
class Http2UpstreamExchange implements UpstreamExchange {
  onInformational: ((head: ResponseHead) => void) | undefined
  readonly #attempt: RequestStream

  constructor(attempt: RequestStream) {
    this.#attempt = attempt
  }

  get body(): BodySink {
    return this.#attempt.body
  }

  get response(): Promise<UpstreamResponse> {
    return this.#attempt.response
  }

  cancel(): void {
    this.#attempt.cancel()
  }
}

/** One request on its stream. */
class RequestStream implements H2StreamHandler {
  readonly exchange: Http2UpstreamExchange = new Http2UpstreamExchange(this)
  readonly body: BodySink
  readonly #h2: H2ClientConnection
  readonly #request: RequestHead
  readonly #isReused: boolean
  readonly #onDone: () => void
  readonly #stream: H2Stream
  readonly #sink: StreamSink | undefined
  readonly #response: PromiseWithResolvers<UpstreamResponse> = Promise.withResolvers()
  #source: StreamSource | undefined
  #isAnswered = false
  #isOver = false

  constructor(
    h2: H2ClientConnection,
    request: RequestHead,
    lengthBytes: number | undefined,
    isReused: boolean,
    onDone: () => void,
  ) {
    this.#h2 = h2
    this.#request = request
    this.#isReused = isReused
    this.#onDone = onDone
    // Who gives up does not wait for it any more.
    this.#response.promise.catch(() => {})
    const hasNoBody = lengthBytes === 0 && request.upgrade === undefined
    this.#stream = h2.request(writeRequest(request, lengthBytes), this, hasNoBody)
    if (!hasNoBody) this.#sink = new StreamSink(this.#stream, H2ErrorCode.CANCEL, () => this.#onSinkOver())
    this.body = this.#sink ?? new NowhereSink()
  }

  get response(): Promise<UpstreamResponse> {
    return this.#response.promise
  }

  cancel(): void {
    if (this.#isOver) return
    this.#stream.reset(H2ErrorCode.CANCEL)
    this.#end(new MeshError('UPSTREAM_RESET', 'given up'))
  }

  // ---- from the stream

  onInformational(headers: HeaderList): void {
    this.exchange.onInformational?.(readResponse(headers, this.#request))
  }

  onHeaders(headers: HeaderList, isEnd: boolean): void {
    this.#isAnswered = true
    const length = lengthOf(headers)
    const head = this.#readHead(headers)
    if (head === undefined) return
    if (isEnd) {
      const isOfAbsentBody = this.#request.method === 'HEAD' || head.status === 304
      this.#response.resolve({ head, body: new EmptySource(isOfAbsentBody ? length : 0) })
      return
    }
    this.#source = new StreamSource(this.#stream, length, () => this.cancel())
    this.#response.resolve({ head, body: this.#source })
  }

  #readHead(headers: HeaderList): ResponseHead | undefined {
    try {
      return readResponse(headers, this.#request)
    } catch (error) {
      this.#stream.reset(H2ErrorCode.PROTOCOL_ERROR)
      this.#end(error as MeshError)
      return undefined
    }
  }

  onData(slab: Slab, start: number, end: number): void {
    this.#source?.onData(slab.buffer, start, end)
  }

  onEnd(trailers: HeaderList | undefined): void {
    this.#source?.onEnd(trailers)
    if (this.#sink?.isOver !== false) this.#finish()
  }

  onWritable(): void {
    this.#sink?.onWritable()
  }

  onReset(code: number, reason: string): void {
    this.#end(this.#errorOf(code, reason))
  }

  // ---- the end

  #onSinkOver(): void {
    if (!this.#stream.isOpen) this.#finish()
  }

  #end(error: MeshError): void {
    if (this.#isOver) return
    this.#response.reject(error)
    this.#source?.onLost(error)
    this.#finish()
    this.#sink?.onLost()
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onDone()
  }

  #errorOf(code: number, reason: string): MeshError {
    const text = `HTTP/2 stream lost with code ${code}: ${reason}`
    if (code === H2ErrorCode.REFUSED_STREAM) return new MeshError('UPSTREAM_REFUSED_STREAM', text)
    if (code === H2ErrorCode.PROTOCOL_ERROR || code === H2ErrorCode.HTTP_1_1_REQUIRED)
      return new MeshError('UPSTREAM_PROTOCOL', text)
    const isStale = this.#isReused && !this.#h2.isUsable && !this.#isAnswered && (this.#sink?.sentBytes ?? 0) === 0
    return new MeshError(isStale ? 'UPSTREAM_RESET_BEFORE_REQUEST' : 'UPSTREAM_RESET', text)
  }
}
