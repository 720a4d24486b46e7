import type { MeshError } from '#shared/errors'
import { ByteBacklog, type ByteChannel } from '#shared/net'
import type { BodySink, BodySource, Fields } from '../types.ts'
import { BodyDecoder, type BodyEvents, type Framing } from './body-decoder.ts'
import type { HeadScan } from './scan-head.ts'

/** What of an unwanted body is read and thrown away before its connection is given up. */
const MAX_DISCARDED_BYTES = 256 * 1024

export interface BodyReaderEvents {
  /** All of it has come and was handed over. */
  onRead(): void
  /** It is not worth waiting for the rest. */
  onGivenUp(): void
}

/**
 * One body on its way from a channel to a sink. Credit goes back to the channel when the sink has taken what it was for, so
 * a slow sink holds its own sender only; what comes meanwhile waits here, within the channel's own bound.
 */
export class BodyReader implements BodySource, BodyEvents {
  lengthBytes: number | undefined
  bytes = 0
  readonly #channel: ByteChannel
  readonly #decoder: BodyDecoder
  readonly #events: BodyReaderEvents
  readonly #backlog = new ByteBacklog()
  #sink: BodySink | undefined
  #isBlocked = true
  #isDiscarding = false
  /** The backlog is being handed out. */
  #isFlowing = false
  /** Octets of the channel for which no credit was given back. */
  #owed = 0
  #end: { readonly trailers: Fields | undefined } | undefined
  #error: MeshError | undefined
  #isOver = false
  /** `onRead` was called. */
  #isRead = false

  constructor(channel: ByteChannel, scan: HeadScan, events: BodyReaderEvents) {
    this.#channel = channel
    this.#decoder = new BodyDecoder(scan, this)
    this.#events = events
  }

  /** All of the body has come. */
  get isComplete(): boolean {
    return this.#decoder.isEnded
  }

  begin(framing: Framing): void {
    this.lengthBytes = framing.kind === 'none' ? 0 : framing.kind === 'length' ? framing.bytes : undefined
    this.#decoder.begin(framing)
  }

  get isTaken(): boolean {
    return this.#sink !== undefined
  }

  /** @returns up to where bytes belong to this body. @throws Malformed */
  feed(bytes: Buffer, start: number, end: number): number {
    const at = this.#decoder.feed(bytes, start, end)
    this.#owed += at - start
    this.#giveCredit()
    return at
  }

  /** The channel has ended. @returns whether the body is whole */
  finish(): boolean {
    return this.#decoder.finish()
  }

  pipe(sink: BodySink): void {
    this.#sink = sink
    sink.onDrain = () => this.#flow()
    sink.onUnwanted = () => this.discard()
    this.#flow()
  }

  discard(): void {
    if (this.#isOver || this.#isDiscarding) return
    this.#isDiscarding = true
    this.#sink = undefined
    // Who hands the backlog out throws the rest of it away himself.
    if (this.#isFlowing) return
    this.#backlog.clear()
    this.#isBlocked = false
    this.#giveCredit()
    if (this.#end !== undefined) this.#finishUp()
    else if ((this.lengthBytes ?? 0) > MAX_DISCARDED_BYTES) this.#giveUp()
  }

  /** The rest will not come. */
  fail(error: MeshError): void {
    if (this.#isOver || this.#end !== undefined) return
    this.#error = error
    // What came before is handed over first, unless nobody is there yet.
    if (this.#backlog.bytes === 0) this.#fail()
  }

  onBody(bytes: Buffer, start: number, end: number): void {
    this.bytes += end - start
    if (this.#isDiscarding) {
      if (this.bytes > MAX_DISCARDED_BYTES) this.#giveUp()
    } else if (this.#isBlocked || this.#sink === undefined) this.#backlog.push(bytes, start, end)
    else this.#isBlocked = !this.#sink.write(bytes, start, end)
  }

  onBodyEnd(trailers: Fields | undefined): void {
    this.#end = { trailers }
    if (this.#isDiscarding || (this.#sink !== undefined && this.#backlog.bytes === 0)) this.#finishUp()
    // Nothing waits for a sink that may never come.
    else if (this.bytes === 0 && trailers === undefined) this.#tellRead()
  }

  #flow(): void {
    const sink = this.#sink
    if (sink === undefined || this.#isOver) return
    this.#isBlocked = false
    this.#isFlowing = true
    this.#backlog.drain((bytes, start, end) => {
      if (this.#isBlocked) return 0
      if (!this.#isDiscarding) this.#isBlocked = !sink.write(bytes, start, end)
      return end - start
    })
    this.#isFlowing = false
    if (this.#backlog.bytes > 0) return
    this.#giveCredit()
    if (this.#end !== undefined) this.#finishUp()
    else if (this.#error !== undefined) this.#fail()
  }

  #giveCredit(): void {
    if (this.#owed === 0 || this.#backlog.bytes > 0 || (this.#isBlocked && this.#sink !== undefined)) return
    const owed = this.#owed
    this.#owed = 0
    this.#channel.consumed(owed)
  }

  #finishUp(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink?.end(this.#end?.trailers)
    this.#isBlocked = false
    this.#giveCredit()
    this.#tellRead()
  }

  #tellRead(): void {
    if (this.#isRead) return
    this.#isRead = true
    this.#events.onRead()
  }

  #fail(): void {
    if (this.#isOver || this.#error === undefined) return
    this.#isOver = this.#sink !== undefined || this.#isDiscarding
    this.#sink?.abort(this.#error)
  }

  #giveUp(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onGivenUp()
  }
}
