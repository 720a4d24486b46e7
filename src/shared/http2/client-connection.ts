import { MeshError } from '#shared/errors'
import { Connection, type ConnectionOptions } from './connection.ts'
import { MAX_STREAM_ID } from './frames.ts'
import { connectionError } from './h2-error.ts'
import type { RequestFacts } from './header-rules.ts'
import { Stream } from './stream.ts'
import type { Transport } from './transport.ts'
import { type H2ClientConnection, H2ErrorCode, type H2Stream, type H2StreamHandler, type HeaderList } from './types.ts'

/** The end that asks. */
export class ClientConnection extends Connection implements H2ClientConnection {
  #nextStreamId = 1

  constructor(transport: Transport, options: ConnectionOptions) {
    super(transport, 'client', options)
  }

  override get isUsable(): boolean {
    return super.isUsable && this.#nextStreamId <= MAX_STREAM_ID
  }

  request(headers: HeaderList, handler: H2StreamHandler, isEnd = false): H2Stream {
    if (!this.isUsable) throw new MeshError('TUNNEL_LOST', 'connection takes no new streams')
    if (this.streams.size >= this.peerMaxConcurrentStreams)
      throw new MeshError('TUNNEL_LOST', `peer takes no more than ${this.peerMaxConcurrentStreams} streams`)
    const stream = new Stream(this, this.#nextStreamId, factsOf(headers), 'header')
    stream.handler = handler
    this.writer.headers(stream.id, headers, isEnd)
    this.#nextStreamId += 2
    this.streams.add(stream)
    if (isEnd) stream.move('endSent')
    return stream
  }

  /** Pushed streams are refused by our SETTINGS, so nothing but an answer may come. */
  onRequest(streamId: number): void {
    throw connectionError(H2ErrorCode.PROTOCOL_ERROR, `server opened stream ${streamId}`)
  }

  refuseRequest(streamId: number): void {
    this.onRequest(streamId)
  }

  isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#nextStreamId
  }
}

/** Of our own request, which is not checked as a peer's is. */
function factsOf(headers: HeaderList): RequestFacts {
  const method = headers.find((field) => field[0] === ':method')?.[1]
  return { isConnect: method === 'CONNECT', isHead: method === 'HEAD', contentLength: undefined }
}
