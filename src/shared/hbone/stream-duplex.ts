import { Duplex } from 'node:stream'
import { MeshError } from '#shared/errors'
import { H2ErrorCode, type H2Stream, type HeaderList } from '#shared/http2'
import type { Slab } from '#shared/net'
import type { TunnelEnd } from './tunnel-end.ts'

type Done = (error?: Error | null) => void

/**
 * One tunnel stream as the transport of another protocol: what a network gateway forwards, with TLS inside. Bytes that
 * came wait in the stream's window until they are read, and bytes to send wait for the peer's window one write at a time.
 */
export class StreamDuplex extends Duplex implements TunnelEnd {
  onAnswer: ((headers: HeaderList, isEnd: boolean) => void) | undefined
  onLost: ((code: number, reason: string) => void) | undefined
  #stream: H2Stream | undefined
  /** Came, and not yet asked for; their window has not been given back. */
  readonly #waiting: Buffer[] = []
  #isAskedFor = false
  #isEnded = false
  #isReset = false
  #outgoing: Uint8Array | undefined
  #sentBytes = 0
  #written: Done | undefined

  constructor() {
    super({ allowHalfOpen: true })
    // Who uses it hears of its end by 'close' too; without a listener an error would end the process.
    this.on('error', () => {})
  }

  attach(stream: H2Stream): void {
    this.#stream = stream
  }

  abort(): void {
    this.destroy()
  }

  // ---- from the peer

  onHeaders(headers: HeaderList, isEnd: boolean): void {
    this.onAnswer?.(headers, isEnd)
  }

  onData(slab: Slab, start: number, end: number): void {
    this.#waiting.push(Buffer.from(slab.buffer.subarray(start, end)))
    if (this.#isAskedFor) this.#deliver()
  }

  onEnd(): void {
    this.#isEnded = true
    if (this.#isAskedFor) this.#deliver()
  }

  onReset(code: number, reason: string): void {
    this.#isReset = true
    this.onLost?.(code, reason)
    const error = new MeshError('TUNNEL_LOST', `outer stream reset with code ${code}: ${reason}`)
    // A peer that has said everything may ask us to stop (RFC 9113 §8.1): what it said is still read.
    if (!this.#isEnded) this.destroy(error)
    else this.#settleWrite(error)
  }

  override _read(): void {
    this.#isAskedFor = true
    this.#deliver()
  }

  #deliver(): void {
    while (this.#isAskedFor) {
      const piece = this.#waiting.shift()
      if (piece === undefined) break
      this.#isAskedFor = this.push(piece)
      this.#stream?.consumed(piece.length)
    }
    if (this.#isEnded && this.#waiting.length === 0) this.push(null)
  }

  // ---- to the peer

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    if (this.#isReset) {
      done(new MeshError('TUNNEL_LOST', 'outer stream is gone'))
      return
    }
    this.#outgoing = chunk
    this.#sentBytes = 0
    this.#written = done
    this.onWritable()
  }

  onWritable(): void {
    const outgoing = this.#outgoing
    if (outgoing === undefined || this.#stream === undefined) return
    this.#sentBytes += this.#stream.write(outgoing, this.#sentBytes, outgoing.length)
    if (this.#sentBytes === outgoing.length) this.#settleWrite(undefined)
  }

  #settleWrite(error: Error | undefined): void {
    const written = this.#written
    this.#outgoing = undefined
    this.#written = undefined
    written?.(error)
  }

  override _final(done: Done): void {
    this.#stream?.end()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    let unread = 0
    for (const piece of this.#waiting.splice(0)) unread += piece.length
    this.#stream?.consumed(unread)
    this.#stream?.reset(H2ErrorCode.CANCEL)
    this.#settleWrite(error ?? new MeshError('TUNNEL_LOST', 'given up'))
    done(error)
  }
}
