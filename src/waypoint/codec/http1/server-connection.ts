import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { DrainOrder } from '#shared/lifecycle'
import { ByteBacklog, type ByteReceiver } from '#shared/net'
import type { InnerConnection } from '../../listen/index.ts'
import type { Deadlines, Waiting } from '../deadlines.ts'
import { ListFields } from '../http2/list-fields.ts'
import type { Exchange, ServedConnection } from '../types.ts'
import { HeadCollector } from './head-collector.ts'
import { Malformed } from './malformed.ts'
import { readRequest } from './request-head.ts'
import { HeadScan, scanRequest } from './scan-head.ts'
import { ServerExchange } from './server-exchange.ts'
import type { Http1Settings } from './settings.ts'
import { writeResponseHead } from './write-head.ts'

export interface Http1ServerSettings {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly bounds: Http1Settings
  /** Takes each request; answers it at any time. It must not throw. */
  readonly onExchange: (exchange: Exchange) => void
  /** A request was refused without an exchange: it cannot be read, or could be read in two ways. */
  readonly onRefused: (status: number, reason: string) => void
  /** The connection is gone. */
  readonly onClosed: () => void
}

/** Serves HTTP/1 on a connection's channel, which it starts and owns. */
export function serveHttp1(inner: InnerConnection, settings: Http1ServerSettings): ServedConnection {
  return new Http1Server(inner, settings)
}

/** A client that does not know yet that we are going may have a request on its way to us for so long. */
const DRAIN_IDLE_MS = 5_000
/** What a client that is told to go may still send before it is cut. */
const LINGER_MS = 1_000

/** One client's connection: requests one behind the other, each answered before the next is read. */
export class Http1Server implements ServedConnection, ByteReceiver, Waiting {
  seat = -1
  deadlineMs: number = Number.POSITIVE_INFINITY
  readonly connection: InnerConnection
  readonly #options: Http1ServerSettings
  readonly #scan: HeadScan
  readonly #heads: HeadCollector
  #exchange: ServerExchange | undefined
  /** Came behind the request that is being answered; without credit, so that the channel's bound is its own. */
  readonly #waiting = new ByteBacklog()
  #isReading = false
  #isDraining = false
  /** Nothing is read any more. */
  #isEnding = false
  #isReadEnded = false
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(connection: InnerConnection, options: Http1ServerSettings) {
    this.connection = connection
    this.#options = options
    const { deadlines, bounds } = options
    this.#scan = new HeadScan(bounds.maxFields)
    this.#heads = new HeadCollector(bounds.maxHeadBytes, this.#scan)
    deadlines.enter(this)
    this.deadlineMs = deadlines.after(bounds.idleTimeoutMs)
    connection.channel.start(this)
  }

  /**
   * The answer that is under way is the last one. An idle connection ends behind one more, or when none is asked for in a
   * while: closed at once, it would lose a request that is on its way.
   */
  async drain({ mode, deadlineMs }: DrainOrder): Promise<void> {
    if (mode === 'immediate') return this.close()
    this.#isDraining = true
    if (this.#exchange === undefined && this.#heads.isEmpty) {
      this.deadlineMs = this.#options.deadlines.after(Math.min(DRAIN_IDLE_MS, deadlineMs / 2))
    }
    const timer = this.#options.clock.setTimer(deadlineMs, () => this.destroy())
    await this.#ended.promise
    timer.cancel()
  }

  async close(): Promise<void> {
    this.destroy()
    await this.#ended.promise
  }

  get activeCount(): number {
    return this.#exchange === undefined ? 0 : 1
  }

  destroy(): void {
    this.connection.channel.destroy()
  }

  get isLast(): boolean {
    return this.#isDraining || (this.#isReadEnded && this.#waiting.bytes === 0)
  }

  // ---- from the channel

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    const { channel } = this.connection
    if (this.#isEnding) {
      channel.consumed(end - start)
      return
    }
    // Channels hand out buffers of Node, whose methods a scan needs.
    const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#take(buffer, start, end)
  }

  onEnd(): void {
    this.#isReadEnded = true
    const exchange = this.#exchange
    if (exchange === undefined) {
      // Half of a head is nobody's.
      this.#close()
    } else exchange.inputEnded()
  }

  onWritable(): void {
    this.#exchange?.drained()
  }

  onClosed(error: Error | undefined): void {
    this.#isEnding = true
    this.#options.deadlines.leave(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.clientGone(new MeshError('CLIENT_GONE', error === undefined ? 'the client has gone' : reasonOf(error)))
    this.#ended.resolve()
    this.#options.onClosed()
  }

  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY
    const exchange = this.#exchange
    if (exchange !== undefined) exchange.bodyTimedOut()
    else if (this.#heads.isEmpty) this.#close()
    else this.refuse(new Malformed('the head did not end in time', 408))
  }

  // ---- from the exchange

  bodyDeadline(): void {
    const { deadlines, bounds } = this.#options
    this.deadlineMs = deadlines.after(bounds.bodyIdleTimeoutMs)
  }

  /** Both bodies are done. @param isReusable another request may follow */
  finished(exchange: ServerExchange, isReusable: boolean): void {
    if (this.#exchange !== exchange) return
    this.#exchange = undefined
    if (!isReusable || this.isLast) {
      this.#close()
      return
    }
    const { deadlines, bounds } = this.#options
    this.deadlineMs = deadlines.after(bounds.idleTimeoutMs)
    if (!this.#isReading && this.#waiting.bytes > 0) this.#takeWaiting()
  }

  /** What came behind the request, and comes now, is the other protocol's. */
  upgraded(): void {
    if (this.#isReading) return
    if (this.#waiting.bytes > 0) this.#takeWaiting()
    if (this.#isReadEnded) this.#exchange?.inputEnded()
  }

  // ---- inside

  #take(bytes: Buffer, start: number, end: number): void {
    this.#isReading = true
    try {
      let at = start
      while (at < end && !this.#isEnding) {
        const exchange = this.#exchange
        if (exchange === undefined) at = this.#readHead(bytes, at, end)
        else if (exchange.wantsInput) at = exchange.feed(bytes, at, end)
        else {
          this.#waiting.push(bytes, at, end)
          at = end
        }
      }
      if (at < end) this.connection.channel.consumed(end - at)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      this.refuse(error)
    } finally {
      this.#isReading = false
    }
    if (this.#isEnding) return
    if (this.#waiting.bytes > 0 && this.#exchange?.wantsInput !== false) this.#takeWaiting()
    else if (this.#isReadEnded) {
      // Half of a head is nobody's.
      if (this.#exchange === undefined) this.#close()
      else if (this.#exchange.wantsInput) this.#exchange.inputEnded()
    }
  }

  #takeWaiting(): void {
    const waiting = Buffer.allocUnsafe(this.#waiting.bytes)
    let filled = 0
    this.#waiting.drain((bytes, start, end) => {
      waiting.set(bytes.subarray(start, end), filled)
      filled += end - start
      return end - start
    })
    this.#take(waiting, 0, filled)
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    const { deadlines, bounds, clock, onExchange } = this.#options
    const scan = this.#scan
    let exchange: ServerExchange | undefined
    const isFirst = this.#heads.isEmpty
    const ended = this.#heads.collect(
      bytes,
      start,
      end,
      (all, from, to) => scanRequest(scan, all, from, to),
      (all) => {
        exchange = new ServerExchange(this, readRequest(scan, all), scan, clock.monotonicMs())
      },
    )
    // Heads give credit as they come: their length is bounded.
    const taken = (ended < 0 ? end : ended) - start
    this.connection.channel.consumed(taken)
    if (exchange === undefined) {
      if (isFirst) this.deadlineMs = deadlines.after(bounds.headTimeoutMs)
      return start + taken
    }
    this.#exchange = exchange
    this.bodyDeadline()
    exchange.begin()
    onExchange(exchange)
    return start + taken
  }

  /** A request that cannot be read: what is under way is cut, since where the next one begins is unknown. */
  refuse(error: Malformed): void {
    const { channel } = this.connection
    this.#isEnding = true
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#options.onRefused(error.status, error.message)
    if (exchange?.isAnswered === true) {
      exchange.clientGone(error)
      channel.destroy()
      return
    }
    exchange?.clientGone(error)
    const fields = new ListFields([['content-type', 'text/plain']])
    const { bytes, length } = writeResponseHead({ status: error.status, fields }, { kind: 'length', bytes: 0 }, 'close')
    channel.write(bytes, 0, length)
    this.#close()
  }

  /** Says goodbye, and cuts when the client does not hear it. */
  #close(): void {
    this.#isEnding = true
    const { channel } = this.connection
    channel.end()
    if (channel.isClosed) return
    this.#options.clock.setTimer(LINGER_MS, () => channel.destroy())
  }
}
