/**
 * A two-way run of bytes that another protocol is spoken on: a TCP or TLS socket, or one CONNECT stream of a tunnel. The
 * receiver is set once, by whoever takes the channel over; nothing is read before `start`.
 */
export interface ByteChannel {
  /** Begins to hand over what comes, and what has come. */
  start(receiver: ByteReceiver): void
  /**
   * Takes all of `bytes[start, end)` (a copy, or it is on its way when the call returns). Who goes on while
   * `isCongested` makes the channel keep more than its bound: after one piece, wait for `onWritable`.
   */
  write(bytes: Uint8Array, start: number, end: number): void
  /** More is queued than the bound of the channel; `onWritable` tells when it is not. */
  readonly isCongested: boolean
  /** `bytes` of what was received are disposed of. A channel stops reading at 64 KiB, or a window, that are not. */
  consumed(bytes: number): void
  /** This side has said everything; what was written goes out before it. */
  end(): void
  /**
   * Cuts both ways at once, so that the other side cannot take what it has for whole: RST_STREAM, or a reset of TCP.
   * `onClosed` follows, without an error.
   */
  destroy(): void
  readonly isClosed: boolean
}

/** What the owner of a channel is told. No call follows `onClosed`. */
export interface ByteReceiver {
  /** `bytes[start, end)` are valid during the call. */
  onBytes(bytes: Uint8Array, start: number, end: number): void
  /** The other side has said everything. */
  onEnd(): void
  onWritable(): void
  /** Both ways are gone; `error` says why when it was no orderly end. */
  onClosed(error: Error | undefined): void
}
