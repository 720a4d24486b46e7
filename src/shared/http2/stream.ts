import type { Slab } from '#shared/net'
import type { Connection } from './connection.ts'
import type { RequestFacts } from './header-rules.ts'
import type { QueuedStream } from './ledger.ts'
import { nextStreamState, type StreamEvent, type StreamState } from './stream-state.ts'
import { FRAME_HEADER_BYTES, type H2ErrorCode, type H2Stream, type H2StreamHandler, type HeaderList } from './types.ts'
import { ReceiveWindow, SendWindow } from './windows.ts'

/** How far the message that we receive on a stream has come. */
export type MessagePart = 'header' | 'body'

export class Stream implements H2Stream, QueuedStream {
  readonly id: number
  readonly connection: Connection
  readonly request: RequestFacts
  readonly sendWindow: SendWindow
  readonly receiveWindow: ReceiveWindow
  handler: H2StreamHandler | undefined
  state: StreamState = 'open'
  /** By either side, or with its connection: its handler hears nothing any more. */
  wasReset = false
  queuedBytes = 0
  /** Where our answer's header ends in the connection's output; undefined before it was written. Server only. */
  answeredAt: number | undefined
  /** Which part of the peer's message comes next. A server's stream begins behind the request's header. */
  awaits: MessagePart
  /** What content-length leaves to come; undefined when it was not given or means nothing. */
  bytesToCome: number | undefined
  /** When its windows ran out with something to send, ms (monotonic); undefined when they have not. */
  stalledAtMs: number | undefined

  constructor(connection: Connection, id: number, request: RequestFacts, awaits: MessagePart) {
    this.connection = connection
    this.id = id
    this.request = request
    this.awaits = awaits
    this.sendWindow = new SendWindow(connection.peerInitialWindowBytes)
    this.receiveWindow = new ReceiveWindow(connection.receiveWindowBytes)
  }

  get isOpen(): boolean {
    return this.state !== 'closed'
  }

  /** Our side may still send. */
  get isSending(): boolean {
    return this.state === 'open' || this.state === 'halfClosedRemote'
  }

  /** The peer's side may still send. */
  get isReceiving(): boolean {
    return this.state === 'open' || this.state === 'halfClosedLocal'
  }

  respond(headers: HeaderList, isEnd = false): void {
    if (!this.isSending) return
    if (this.answeredAt !== undefined) throw new Error(`stream ${this.id} was answered already`)
    this.connection.writer.headers(this.id, headers, isEnd)
    this.answeredAt = this.connection.queue.enqueuedTotal
    if (isEnd) this.move('endSent')
  }

  respondInformational(headers: HeaderList): void {
    if (!this.isSending) return
    if (this.answeredAt !== undefined) throw new Error(`stream ${this.id} was answered already`)
    this.connection.writer.headers(this.id, headers, false)
  }

  get writableBytes(): number {
    const bytes = this.#room()
    if (bytes > 0) return bytes
    if (this.isSending) this.connection.block(this)
    return 0
  }

  write(bytes: Uint8Array, start: number, end: number): number {
    if (!this.isSending) return 0
    const taken = Math.min(end - start, this.#room())
    if (taken < end - start) this.connection.block(this)
    if (taken === 0) return 0
    this.#spend(taken)
    this.connection.writer.data(this, this.id, bytes, start, start + taken)
    return taken
  }

  writeInPlace(slab: Slab, end: number): 'taken' | 'wait' | 'copy' {
    const bytes = end - FRAME_HEADER_BYTES
    if (!this.isSending || bytes > this.connection.writer.maxFrameBytes || bytes > this.#windowBytes()) return 'copy'
    if (!this.connection.hasRoomInPlace(this.queuedBytes, bytes)) {
      this.connection.block(this)
      return 'wait'
    }
    this.#spend(bytes)
    this.connection.writer.dataInPlace(this, this.id, slab, end)
    return 'taken'
  }

  end(trailers?: HeaderList): void {
    if (!this.isSending) return
    if (trailers === undefined) this.connection.writer.endStream(this.id)
    else this.connection.writer.headers(this.id, trailers, true)
    this.move('endSent')
  }

  reset(code: H2ErrorCode): void {
    if (this.state === 'closed') return
    this.connection.writer.rstStream(this.id, code)
    this.connection.forget(this, 'us')
  }

  consumed(bytes: number): void {
    const counted = Math.min(bytes, this.receiveWindow.heldBytes)
    this.#giveBack(this.receiveWindow.consume(counted))
    this.connection.consumed(counted)
  }

  /** The peer goes by our announced window from now on. */
  resizeReceiveWindow(bytes: number): void {
    this.#giveBack(this.receiveWindow.resize(bytes))
  }

  /** Gives the connection back what nobody will consume any more. */
  letGo(): void {
    const held = this.receiveWindow.heldBytes
    if (held === 0) return
    this.receiveWindow.consume(held)
    this.connection.consumed(held)
  }

  /** Follows `event`; a stream that closes by it leaves the connection. */
  move(event: StreamEvent): void {
    const next = nextStreamState(this.state, event)
    if (next === undefined) throw new Error(`stream ${this.id}: ${event} while ${this.state}`)
    this.state = next
    if (next === 'closed') this.connection.onStreamEnded(this)
  }

  #giveBack(increment: number): void {
    if (increment > 0 && this.isReceiving) this.connection.writer.windowUpdate(this.id, increment)
  }

  #windowBytes(): number {
    return Math.min(this.sendWindow.bytes, this.connection.sendWindow.bytes)
  }

  #room(): number {
    if (!this.isSending) return 0
    return Math.max(0, Math.min(this.#windowBytes(), this.connection.queueRoom(this.queuedBytes)))
  }

  #spend(bytes: number): void {
    this.sendWindow.bytes -= bytes
    this.connection.sendWindow.bytes -= bytes
    this.connection.guards.onDataSent(bytes)
  }
}
