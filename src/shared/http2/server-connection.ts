import { Connection, type ConnectionOptions } from './connection.ts'
import { connectionError, streamError } from './h2-error.ts'
import { checkRequest } from './header-rules.ts'
import { Stream } from './stream.ts'
import type { Transport } from './transport.ts'
import { H2ErrorCode, type H2RequestListener, type HeaderList } from './types.ts'

/** The end that answers. */
export class ServerConnection extends Connection {
  readonly #listener: H2RequestListener

  constructor(transport: Transport, listener: H2RequestListener, options: ConnectionOptions) {
    super(transport, 'server', options)
    this.#listener = listener
  }

  onRequest(streamId: number, headers: HeaderList, isEnd: boolean): void {
    this.#open(streamId)
    if (!this.accepts(streamId)) return
    if (this.streams.size >= this.limits.maxConcurrentStreams) {
      this.resetForFault(streamId, H2ErrorCode.REFUSED_STREAM, 'too many streams')
      return
    }
    const request = checkRequest(headers, this.limits.isExtendedConnectEnabled)
    if (isEnd && (request.contentLength ?? 0) > 0)
      throw streamError(H2ErrorCode.PROTOCOL_ERROR, 'no body for content-length')
    const stream = new Stream(this, streamId, request, 'body')
    stream.bytesToCome = request.contentLength
    this.streams.add(stream)
    if (isEnd) stream.move('endReceived')
    stream.handler = this.#listener(stream, headers, isEnd)
    if (isEnd && !stream.wasReset) stream.handler.onEnd(undefined)
  }

  refuseRequest(streamId: number, reason: string): void {
    this.#open(streamId)
    if (this.accepts(streamId)) this.resetForFault(streamId, H2ErrorCode.ENHANCE_YOUR_CALM, reason)
  }

  isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId > this.lastPeerStreamId
  }

  /** RFC 9113 §5.1.1: clients open odd ids, each above the one before. */
  #open(streamId: number): void {
    if (streamId % 2 === 0) throw connectionError(H2ErrorCode.PROTOCOL_ERROR, `client opened stream ${streamId}`)
    this.lastPeerStreamId = streamId
  }
}
