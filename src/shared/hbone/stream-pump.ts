import type { Socket } from 'node:net'
import { MeshError } from '#shared/errors'
import { FRAME_HEADER_BYTES, H2ErrorCode, type H2Stream, type HeaderList } from '#shared/http2'
import {
  BULK_READ_BYTES,
  type ByteMeter,
  type CopyResult,
  type OnRead,
  PieceQueue,
  type ReadConsumer,
  resetSocket,
  type Slab,
  SlabWriter,
  SocketReader,
  smallSlabs,
  type TakenListener,
} from '#shared/net'
import type { OwnedTunnelEnd } from './tunnel-end.ts'
import type { StreamPump } from './types.ts'

type Outcome = Pick<CopyResult, 'endedBy' | 'error'>

/**
 * The handler of one tunnel stream from its answer on, and the copier between it and one TCP socket.
 *
 * Life: made → `attach`ed to its stream → answered (`onAnswer`, client only) → `bind`ed to its socket → done. Until
 * `bind`, payload is kept, bounded by the stream's window. FIN and END_STREAM carry half-closes; a RST_STREAM NO_ERROR
 * or CANCEL is taken as an end (reference/hbone-and-ztunnel d.4), any other loss resets the socket, so that a cut
 * transfer does not look whole.
 */
export class H2StreamPump implements OwnedTunnelEnd, StreamPump, ReadConsumer, TakenListener {
  readonly meter: ByteMeter = { sentBytes: 0, receivedBytes: 0 }
  /** Client: the final answer's header. */
  onAnswer: ((headers: HeaderList, isEnd: boolean) => void) | undefined
  /** The stream has gone before `bind`. */
  onLost: ((code: number, reason: string) => void) | undefined
  /** It was broken off, by either side or by us: what has not gone by now need not go any more. */
  onBrokenOff: (() => void) | undefined

  /** Which side of the connection the socket is: who opened it, or whom it is meant for. */
  readonly #socketSide: 'opener' | 'target'
  readonly #reader: SocketReader = new SocketReader(FRAME_HEADER_BYTES, this)
  readonly #writer: SlabWriter = new SlabWriter(this)
  /** Since `bind`. */
  #resolve: ((result: CopyResult) => void) | undefined
  #stream: H2Stream | undefined
  #socket: Socket | undefined
  #outcome: Outcome | undefined
  /** Read from the socket, not yet taken by the stream. */
  readonly #backlog = new PieceQueue()
  #isReadPaused = false
  #isReadEnded = false
  #isStreamEnded = false

  /** @param socketSide a client's socket is the `opener`, a server's the `target` */
  constructor(socketSide: 'opener' | 'target') {
    this.#socketSide = socketSide
  }

  get onread(): OnRead {
    return this.#reader.onread
  }

  /** Before anything can come on the stream. */
  attach(stream: H2Stream): void {
    this.#stream = stream
  }

  bind(socket: Socket): Promise<CopyResult> {
    const result = new Promise<CopyResult>((resolve) => {
      this.#resolve = resolve
    })
    this.#socket = socket
    socket.on('error', (error) => this.#end(this.#socketSide, error))
    socket.on('end', () => this.#onSocketEnd())
    socket.on('close', () => this.#onSocketClosed())
    if (socket.closed) this.#onSocketClosed()
    else if (this.#outcome !== undefined) socket.destroy()
    else {
      this.#writer.attach(socket)
      socket.resume()
    }
    return result
  }

  abort(): void {
    this.#end('abort', undefined)
    this.#stream?.reset(H2ErrorCode.CANCEL)
    this.onBrokenOff?.()
    if (this.#socket === undefined) this.#letGo()
    else this.#socket.destroy()
  }

  // ---- stream → socket

  onHeaders(headers: HeaderList, isEnd: boolean): void {
    this.onAnswer?.(headers, isEnd)
  }

  onData(slab: Slab, start: number, end: number): void {
    if (this.#socketSide === 'target') this.meter.sentBytes += end - start
    else this.meter.receivedBytes += end - start
    this.#writer.write(slab, start, end)
  }

  /** For the socket's writer: window credit goes back when the kernel has the bytes. */
  onTaken(bytes: number): void {
    this.#stream?.consumed(bytes)
  }

  get isHalfOpen(): boolean {
    return this.#isReadEnded !== this.#isStreamEnded
  }

  onEnd(): void {
    this.#isStreamEnded = true
    this.#writer.end()
  }

  onReset(code: number, reason: string): void {
    const isEnd = code === H2ErrorCode.NO_ERROR || code === H2ErrorCode.CANCEL
    const error = isEnd ? undefined : new MeshError('TUNNEL_LOST', `stream reset with code ${code}: ${reason}`)
    this.#end(this.#socketSide === 'opener' ? 'target' : 'opener', error)
    const socket = this.#socket
    if (socket === undefined) {
      this.#letGo()
      this.onLost?.(code, reason)
    } else if (socket.closed) this.#finish()
    else if (isEnd) this.#writer.endThenDestroy()
    else resetSocket(socket)
  }

  // ---- socket → stream

  onWritable(): void {
    const stream = this.#stream
    if (stream === undefined) return
    if (!this.#sendBacklog(stream)) return
    if (this.#isReadEnded) {
      stream.end()
      if (this.#socket?.closed === true) this.#finish()
    } else if (this.#isReadPaused && stream.writableBytes > 0) {
      this.#isReadPaused = false
      this.#socket?.resume()
    }
  }

  /** False when the stream does not take all of it. */
  #sendBacklog(stream: H2Stream): boolean {
    const backlog = this.#backlog
    for (let slab = backlog.first; slab !== undefined; slab = backlog.first) {
      const { firstStart, firstEnd } = backlog
      const taken = this.#send(stream, slab, firstStart, firstEnd)
      if (taken < firstEnd - firstStart) {
        backlog.cutFirst(taken)
        return false
      }
      backlog.shift()?.release()
    }
    return true
  }

  /** For the socket's reader. */
  onQuietRead(buffer: Uint8Array, bytes: number): boolean {
    this.#count(bytes)
    const stream = this.#stream
    if (stream === undefined || !stream.isOpen) return true
    const taken = this.#backlog.isEmpty ? stream.write(buffer, 0, bytes) : 0
    if (taken < bytes) this.#keepCopy(buffer, taken, bytes)
    return this.#mayReadOn(stream)
  }

  /** For the socket's reader. */
  onBulkRead(slab: Slab, start: number, end: number): boolean {
    this.#count(end - start)
    const stream = this.#stream
    if (stream === undefined || !stream.isOpen) return true
    const taken = this.#backlog.isEmpty ? this.#send(stream, slab, start, end) : 0
    if (taken < end - start) this.#keep(slab, start + taken, end)
    return this.#mayReadOn(stream)
  }

  /** In place when the room for the header is still free, and large enough to be worth a write of its own. */
  #send(stream: H2Stream, slab: Slab, start: number, end: number): number {
    if (start === FRAME_HEADER_BYTES && end - start >= BULK_READ_BYTES) {
      const outcome = stream.writeInPlace(slab, end)
      if (outcome !== 'copy') return outcome === 'taken' ? end - start : 0
    }
    return stream.write(slab.buffer, start, end)
  }

  #mayReadOn(stream: H2Stream): boolean {
    this.#isReadPaused = !this.#backlog.isEmpty || stream.writableBytes === 0
    return !this.#isReadPaused
  }

  #keep(slab: Slab, start: number, end: number): void {
    slab.retain()
    this.#backlog.push(slab, start, end)
  }

  #keepCopy(buffer: Uint8Array, start: number, end: number): void {
    const slab = smallSlabs.acquire()
    slab.buffer.set(buffer.subarray(start, end), 0)
    this.#backlog.push(slab, 0, end - start)
  }

  #count(bytes: number): void {
    if (this.#socketSide === 'opener') this.meter.sentBytes += bytes
    else this.meter.receivedBytes += bytes
  }

  #onSocketEnd(): void {
    this.#isReadEnded = true
    if (this.#backlog.isEmpty) this.#stream?.end()
  }

  // ---- the end

  #onSocketClosed(): void {
    const socket = this.#socket
    this.#reader.close()
    const isWhole = socket?.readableEnded === true && socket.writableFinished
    if (!isWhole) this.#end(this.#socketSide, undefined)
    // Both sides of the socket are done, but the stream has not taken all of it yet: `onWritable` finishes.
    if (this.#outcome === undefined && !this.#backlog.isEmpty) return
    this.#finish()
  }

  #finish(): void {
    const { endedBy, error } = this.#outcome ?? { endedBy: 'end', error: undefined }
    if (endedBy !== 'end') {
      this.#stream?.reset(H2ErrorCode.CANCEL)
      this.onBrokenOff?.()
    }
    this.#letGo()
    this.#resolve?.({ meter: this.meter, endedBy, error })
  }

  /** What is kept will go nowhere: its window belongs to the connection's other streams. */
  #letGo(): void {
    this.#backlog.clear()
    const unwritten = this.#writer.pendingBytes
    this.#writer.discard()
    this.#stream?.consumed(unwritten)
  }

  /** Who broke off first, and why; later calls change nothing. */
  #end(endedBy: Outcome['endedBy'], error: Error | undefined): void {
    this.#outcome ??= { endedBy, error }
  }
}
