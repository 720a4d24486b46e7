import type { Timer } from '#shared/clock'
import type { Connection } from './connection.ts'
import { MAX_STREAM_ID } from './frames.ts'
import { H2ErrorCode } from './types.ts'

/** How long new streams that were under way are taken after the first GOAWAY of a drain. */
const NOTICE_MS = 1_000

export const DRAIN_PING: Buffer = Buffer.from('draining')

/**
 * The graceful way out (RFC 9113 §6.8): a server says with GOAWAY(2^31-1) that it will go, takes the streams that are
 * under way, and names the last one that it takes when its PING comes back or a second has passed. Running streams go
 * on until the deadline. A client names its last stream at once.
 */
export class GracefulEnd {
  readonly #connection: Connection
  #timer: Timer | undefined
  /** Highest peer stream that our last GOAWAY lets through. */
  acceptsUpTo: number = MAX_STREAM_ID

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Does nothing the second time. */
  begin(deadlineMs: number): void {
    if (this.#timer !== undefined) return
    const { role, clock, writer } = this.#connection
    const noticeMs = role === 'server' ? Math.min(NOTICE_MS, deadlineMs) : 0
    this.#timer = clock.setTimer(noticeMs, () => {
      this.announceLast()
      this.#timer = clock.setTimer(deadlineMs - noticeMs, () => this.#connection.cut())
    })
    if (role === 'client') return
    writer.goaway(MAX_STREAM_ID, H2ErrorCode.NO_ERROR, '')
    writer.ping(DRAIN_PING, false)
  }

  /** Streams above the last one are refused from now on. */
  announceLast(): void {
    if (this.acceptsUpTo !== MAX_STREAM_ID || this.#connection.isClosing) return
    this.acceptsUpTo = this.#connection.lastPeerStreamId
    this.#connection.writer.goaway(this.acceptsUpTo, H2ErrorCode.NO_ERROR, '')
    this.#connection.closeWhenEmpty()
  }

  /** With no stream left: may the connection close, or could new ones still be under way? Announces it when so. */
  mayClose(): boolean {
    if (this.acceptsUpTo !== MAX_STREAM_ID) return true
    if (this.#timer !== undefined) return false
    this.#connection.writer.goaway(this.#connection.lastPeerStreamId, H2ErrorCode.NO_ERROR, '')
    return true
  }

  stop(): void {
    this.#timer?.cancel()
  }
}
