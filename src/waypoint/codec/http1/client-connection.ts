import { MeshError, reasonOf } from '#shared/errors'
import type { ByteChannel, ByteReceiver } from '#shared/net'
import type { Deadlines, Waiting } from '../deadlines.ts'
import type { HttpClientConnection, RequestHead, UpstreamExchange } from '../types.ts'
import { ClientExchange } from './client-exchange.ts'
import { HeadCollector } from './head-collector.ts'
import { Malformed } from './malformed.ts'
import { HeadScan, scanResponse } from './scan-head.ts'
import type { Http1Settings } from './settings.ts'

/** An endpoint that does not end its side behind ours is cut. */
const LINGER_MS = 5_000

/** One connection to an endpoint: one request at a time, the next when the answer of the one before is whole. */
export class Http1Client implements HttpClientConnection, ByteReceiver, Waiting {
  readonly protocol = 'http1'
  seat = -1
  deadlineMs: number = Number.POSITIVE_INFINITY
  onChanged: (() => void) | undefined
  readonly #channel: ByteChannel
  readonly #deadlines: Deadlines
  readonly #settings: Http1Settings
  readonly #scan: HeadScan
  readonly #heads: HeadCollector
  #exchange: ClientExchange | undefined
  #isReused = false
  /** No further request is sent. */
  #isRetired = false
  #isClosed = false
  /** Answers are being read: the connection is not free before all of what came was looked at. */
  #isReading = false
  #isDone = false

  constructor(channel: ByteChannel, deadlines: Deadlines, settings: Http1Settings) {
    this.#channel = channel
    this.#deadlines = deadlines
    this.#settings = settings
    this.#scan = new HeadScan(settings.maxFields)
    this.#heads = new HeadCollector(settings.maxHeadBytes, this.#scan)
    deadlines.enter(this)
    channel.start(this)
  }

  get capacity(): number {
    return this.#exchange === undefined && !this.#isRetired && !this.#isClosed ? 1 : 0
  }

  get activeCount(): number {
    return this.#exchange === undefined ? 0 : 1
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(request: RequestHead, lengthBytes: number | undefined): UpstreamExchange {
    if (this.capacity === 0) throw new Error('a connection of HTTP/1 takes one request at a time')
    const exchange = new ClientExchange(this.#channel, request, lengthBytes, this.#scan, {
      isReused: this.#isReused,
      onDone: (isReusable) => this.#done(exchange, isReusable),
      onFailed: () => this.#cut(exchange),
    })
    this.#isReused = true
    this.#exchange = exchange
    this.deadlineMs = Number.POSITIVE_INFINITY
    exchange.begin()
    return exchange
  }

  retire(): void {
    this.#isRetired = true
    if (this.#exchange === undefined) this.#close()
  }

  destroy(): void {
    this.#isRetired = true
    this.#channel.destroy()
  }

  // ---- from the channel

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    const exchange = this.#exchange
    if (this.#isClosed) {
      this.#channel.consumed(end - start)
      return
    }
    if (exchange === undefined) {
      this.#channel.consumed(end - start)
      // Nobody asked: what says something by itself now answers somebody else's request later.
      this.destroy()
      return
    }
    const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    try {
      this.#take(exchange, buffer, start, end)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      exchange.fail(new MeshError('UPSTREAM_PROTOCOL', `the answer cannot be read: ${error.message}`))
    }
  }

  onEnd(): void {
    if (this.#isClosed) return
    this.#isRetired = true
    const exchange = this.#exchange
    if (exchange === undefined) this.#close()
    else exchange.inputEnded()
  }

  onWritable(): void {
    this.#exchange?.drained()
  }

  onClosed(error: Error | undefined): void {
    const wasClosed = this.#isClosed
    this.#isClosed = true
    this.#deadlines.leave(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.connectionLost(error === undefined ? 'the connection was closed' : reasonOf(error))
    if (!wasClosed) this.onChanged?.()
  }

  /** Only idle connections wait for something here: requests have deadlines of their own. */
  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY
    if (this.#isClosed) {
      this.#channel.destroy()
      return
    }
    if (this.#exchange === undefined) this.retire()
  }

  // ---- inside

  #take(exchange: ClientExchange, bytes: Buffer, start: number, end: number): void {
    let at = start
    this.#isReading = true
    this.#isDone = false
    try {
      while (at < end && this.#exchange === exchange && !exchange.isAnswerComplete) {
        at = exchange.isInBody ? exchange.feed(bytes, at, end) : this.#readHead(exchange, bytes, at, end)
      }
    } finally {
      this.#isReading = false
    }
    if (at === end) {
      if (this.#isDone) this.#release()
      return
    }
    this.#channel.consumed(end - at)
    // Bytes behind an answer belong to nothing that was asked.
    this.destroy()
  }

  #readHead(exchange: ClientExchange, bytes: Buffer, start: number, end: number): number {
    const scan = this.#scan
    exchange.answerBegun()
    const ended = this.#heads.collect(
      bytes,
      start,
      end,
      (all, from, to) => scanResponse(scan, all, from, to),
      (all) => exchange.headRead(all),
    )
    const taken = (ended < 0 ? end : ended) - start
    this.#channel.consumed(taken)
    return start + taken
  }

  #done(exchange: ClientExchange, isReusable: boolean): void {
    if (this.#exchange !== exchange) return
    if (!isReusable) this.#isRetired = true
    if (this.#isReading) this.#isDone = true
    else this.#release()
  }

  #release(): void {
    this.#exchange = undefined
    if (this.#isRetired) this.#close()
    else {
      this.deadlineMs = this.#deadlines.after(this.#settings.idleTimeoutMs)
      this.onChanged?.()
    }
  }

  #cut(exchange: ClientExchange): void {
    if (this.#exchange === exchange) this.#exchange = undefined
    this.destroy()
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isRetired = true
    this.#isClosed = true
    this.deadlineMs = this.#deadlines.after(LINGER_MS)
    this.#channel.end()
    queueMicrotask(() => this.onChanged?.())
  }
}
