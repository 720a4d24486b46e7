import type { Duplex } from 'node:stream'
import { DrainGate } from '../drain-gate.ts'
import { CONTROL, dataHead, encodeControl, encodeNumbers, encodeReply, type SpdyFrame, SpdyReader } from './frames.ts'
import { HeaderDecoder, HeaderEncoder } from './header-block.ts'
import { SpdyStream } from './stream.ts'

/** Streams of one session; a port-forward uses two a connection. */
const MAX_STREAMS = 512
/** RST_STREAM (§2.6.3). */
const REFUSED_STREAM = 3
const CANCEL = 5
/** Of one data frame, so that streams take turns. */
const MAX_WRITE_BYTES = 32 * 1024
/** Our streams are even, the client's odd; we open none. */
const isClients = (id: number): boolean => (id & 1) === 1

/**
 * The server's end of SPDY/3.1 over any stream of bytes. It opens no streams. Kubernetes' clients know no flow windows:
 * they send none and heed none, so writing waits for the connection alone, and a stream that is not read holds the
 * connection back. Windows are still given back, for clients that heed them.
 */
export class SpdySession {
  readonly #transport: Duplex
  readonly #gate: DrainGate
  readonly #reader = new SpdyReader()
  readonly #decoder = new HeaderDecoder()
  readonly #encoder = new HeaderEncoder()
  readonly #streams = new Map<number, SpdyStream>()
  #lastId = 0

  constructor(transport: Duplex) {
    this.#transport = transport
    this.#gate = new DrainGate(transport)
  }

  /** Begins to read; resolves when the session has ended, with all its streams. */
  async serve(head: Buffer, opened: (stream: SpdyStream) => void): Promise<void> {
    try {
      await this.#receive(head, opened)
      for await (const chunk of this.#transport) await this.#receive(chunk as Buffer, opened)
    } catch {
      // A connection that broke, or said what is no SPDY: either way it is over.
    } finally {
      for (const stream of this.#streams.values()) stream.destroy()
      this.#decoder.close()
      this.#transport.destroy()
    }
  }

  /** Ends the connection after what was written. */
  close(): void {
    if (this.#transport.destroyed || this.#transport.writableEnded) return
    this.#transport.end(encodeNumbers(CONTROL.goAway, this.#lastId, 0))
  }

  async #receive(chunk: Buffer, opened: (stream: SpdyStream) => void): Promise<void> {
    for (const frame of this.#reader.read(chunk)) await this.#handle(frame, opened)
  }

  async #handle(frame: SpdyFrame, opened: (stream: SpdyStream) => void): Promise<void> {
    switch (frame.kind) {
      case 'open': {
        // Every block must be read, or the next ones cannot be.
        const headers = await this.#decoder.decode(frame.block)
        const stream = this.#open(frame.id, headers)
        if (stream === undefined) return
        if (frame.isLast) stream.push(null)
        opened(stream)
        return
      }
      case 'headers':
        await this.#decoder.decode(frame.block)
        if (frame.isLast) this.#streams.get(frame.id)?.push(null)
        return
      case 'data': {
        const stream = this.#streams.get(frame.id)
        if (stream === undefined || stream.readableEnded) return
        if (frame.payload.length > 0) await stream.deliver(frame.payload)
        if (frame.isLast) stream.push(null)
        return
      }
      case 'reset':
        this.#streams.get(frame.id)?.destroy()
        return
      case 'ping':
        if (isClients(frame.payload.readUInt32BE(0))) await this.#gate.write(encodeControl(CONTROL.ping, frame.payload))
        return
      case 'goAway':
      case 'ignored':
        return
    }
  }

  #open(id: number, headers: SpdyStream['headers']): SpdyStream | undefined {
    if (!isClients(id) || id <= this.#lastId || this.#streams.size >= MAX_STREAMS) {
      void this.#gate.write(encodeNumbers(CONTROL.rstStream, id, REFUSED_STREAM))
      return undefined
    }
    this.#lastId = id
    const stream = new SpdyStream(id, headers, {
      data: (of, payload) => this.#data(of, payload),
      finish: (of) => void this.#gate.write(dataHead(of, 0, true)),
      reset: (of) => void this.#gate.write(encodeNumbers(CONTROL.rstStream, of, CANCEL)),
      consumed: (of, bytes) => {
        void this.#gate.write(encodeNumbers(CONTROL.windowUpdate, of, bytes))
        void this.#gate.write(encodeNumbers(CONTROL.windowUpdate, 0, bytes))
      },
      ended: (of) => void this.#streams.delete(of),
    })
    this.#streams.set(id, stream)
    void this.#gate.write(encodeReply(id, this.#encoder.encodeEmpty()))
    return stream
  }

  async #data(id: number, payload: Buffer): Promise<void> {
    for (let from = 0; from < payload.length; from += MAX_WRITE_BYTES) {
      const part = payload.subarray(from, from + MAX_WRITE_BYTES)
      await this.#gate.write(Buffer.concat([dataHead(id, part.length, false), part]))
    }
  }
}
