import type { H2Stream, H2StreamHandler, HeaderList } from '#shared/http2'
import type { Slab } from '#shared/net'

/** Everything that came on one stream. */
export interface Message {
  readonly headers: HeaderList
  readonly informational: readonly HeaderList[]
  readonly body: Buffer
  readonly trailers: HeaderList | undefined
}

/** Gathers one message; consumes payload as it comes, unless told to hold it. */
export class MessageCollector implements H2StreamHandler {
  stream: H2Stream | undefined
  headers: HeaderList = []
  readonly informational: HeaderList[] = []
  readonly chunks: Buffer[] = []
  /** Payload is kept from being consumed as long as this is set. */
  isHolding = false
  heldBytes = 0
  /** One line per call, in order. */
  readonly calls: string[] = []
  readonly #done: PromiseWithResolvers<Message> = Promise.withResolvers()
  #onWritable: (() => void) | undefined

  constructor() {
    this.#done.promise.catch(() => {})
  }

  /** Resolves at the end of the message; rejects with the code when the stream is reset. */
  get message(): Promise<Message> {
    return this.#done.promise
  }

  onHeaders(headers: HeaderList, isEnd: boolean): void {
    this.headers = headers
    this.calls.push(`headers ${isEnd}`)
  }

  onInformational(headers: HeaderList): void {
    this.informational.push(headers)
    this.calls.push('informational')
  }

  onData(slab: Slab, start: number, end: number): void {
    this.chunks.push(Buffer.from(slab.buffer.subarray(start, end)))
    this.calls.push('data')
    if (this.isHolding) this.heldBytes += end - start
    else this.stream?.consumed(end - start)
  }

  onEnd(trailers: HeaderList | undefined): void {
    this.calls.push('end')
    const { headers, informational } = this
    this.#done.resolve({ headers, informational, body: Buffer.concat(this.chunks), trailers })
  }

  onReset(code: number, reason: string): void {
    this.calls.push(`reset ${code}`)
    this.#done.reject(new Error(`reset ${code}: ${reason}`))
  }

  onWritable(): void {
    this.calls.push('writable')
    this.#onWritable?.()
  }

  /** Writes all of `bytes` as windows allow, then ends. */
  async send(bytes: Uint8Array, trailers?: HeaderList): Promise<void> {
    const stream = this.stream as H2Stream
    for (let sent = 0; sent < bytes.length; ) {
      sent += stream.write(bytes, sent, bytes.length)
      if (sent === bytes.length) break
      await new Promise<void>((resolve) => {
        this.#onWritable = resolve
      })
    }
    stream.end(trailers)
  }
}

export function fieldOf(headers: HeaderList, wanted: string): string | undefined {
  return headers.find(([name]) => name === wanted)?.[1]
}
