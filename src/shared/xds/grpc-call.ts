import { type H2ClientConnection, H2ErrorCode, type H2Stream, type HeaderList } from '#shared/http2'
import type { Slab } from '#shared/net'
import { frameMessage, MessageReader } from './grpc-message.ts'
import { problemWith, statusIn, statusOfReset } from './grpc-status.ts'
import { MAX_RESPONSE_BYTES, type RpcStatus, rpcCodes } from './rpc.ts'

/** Exactly one `ended` comes, last. */
export interface RpcStreamEvents {
  /** The server has answered with its headers. */
  opened(): void
  message(bytes: Buffer): void
  ended(status: RpcStatus): void
}

/** One gRPC call, from before there is a connection for it until its status has come. */
export class GrpcCall {
  readonly #headers: HeaderList
  readonly #events: RpcStreamEvents
  readonly #reader: MessageReader
  /** Framed messages that HTTP/2 has not taken yet; the first one from `#offset` on. */
  readonly #unsent: Buffer[] = []
  #offset = 0
  #stream: H2Stream | undefined
  /** Our side is to be ended when all is sent. */
  #isLast = false
  #isOver = false

  constructor(headers: HeaderList, events: RpcStreamEvents) {
    this.#headers = headers
    this.#events = events
    this.#reader = new MessageReader(MAX_RESPONSE_BYTES, (message) => {
      if (!this.#isOver) events.message(message)
    })
  }

  /** May be called before the call is started. */
  send(message: Uint8Array): void {
    if (this.#isOver) return
    this.#unsent.push(frameMessage(message))
    this.#flush()
  }

  /** Nothing more will be sent. */
  end(): void {
    this.#isLast = true
    this.#flush()
  }

  /** Ends the call with that status, on our side and for the server. */
  cancel(status: RpcStatus = { code: rpcCodes.cancelled, message: 'cancelled' }): void {
    if (this.#isOver) return
    this.#stream?.reset(H2ErrorCode.CANCEL)
    this.#over(status)
  }

  /** Puts the call on a connection, unless it was cancelled before. */
  start(connection: H2ClientConnection): void {
    if (this.#isOver) return
    this.#stream = connection.request(this.#headers, {
      onHeaders: (headers, isEnd) => this.#answered(headers, isEnd),
      onData: (slab, start, end) => this.#received(slab, start, end),
      onEnd: (trailers) => this.#over(this.#finalStatus(trailers)),
      onReset: (code, reason) => this.#over(statusOfReset(code, reason, !connection.isUsable)),
      onWritable: () => this.#flush(),
    })
    this.#flush()
  }

  #answered(headers: HeaderList, isEnd: boolean): void {
    const status = isEnd ? (statusIn(headers) ?? problemWith(headers)) : problemWith(headers)
    if (status !== undefined) this.cancel(status)
    else if (!isEnd) this.#events.opened()
  }

  #received(slab: Slab, start: number, end: number): void {
    const stream = this.#stream
    const problem = this.#isOver ? undefined : this.#reader.push(slab.buffer.subarray(start, end))
    if (problem !== undefined) this.cancel({ code: rpcCodes.internal, message: `the server sent ${problem}` })
    else stream?.consumed(end - start)
  }

  #finalStatus(trailers: HeaderList | undefined): RpcStatus {
    const status = trailers && statusIn(trailers)
    if (status === undefined) return { code: rpcCodes.unknown, message: 'the stream ended without a status' }
    if (status.code === rpcCodes.ok && !this.#reader.isBetweenMessages)
      return { code: rpcCodes.internal, message: 'the stream ended within a message' }
    return status
  }

  #over(status: RpcStatus): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#unsent.length = 0
    if (this.#stream?.isOpen) this.#stream.reset(H2ErrorCode.NO_ERROR)
    this.#events.ended(status)
  }

  #flush(): void {
    const stream = this.#stream
    if (stream === undefined || this.#isOver) return
    for (;;) {
      const [bytes] = this.#unsent
      if (bytes === undefined) break
      this.#offset += stream.write(bytes, this.#offset, bytes.length)
      if (this.#offset < bytes.length) return
      this.#unsent.shift()
      this.#offset = 0
    }
    if (!this.#isLast) return
    this.#isLast = false
    stream.end()
  }
}
