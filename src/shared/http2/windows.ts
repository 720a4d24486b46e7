import { MAX_WINDOW_BYTES } from './frames.ts'

/** Credit that the peer gave us: of one stream, or of the connection. May be negative after a SETTINGS (§6.9.2). */
export class SendWindow {
  bytes: number

  constructor(bytes: number) {
    this.bytes = bytes
  }

  /** Adds an increment or a change of the initial size; false when it grows above 2^31-1 (RFC 9113 §6.9.1). */
  grow(by: number): boolean {
    this.bytes += by
    return this.bytes <= MAX_WINDOW_BYTES
  }
}

/**
 * Credit that we gave the peer. Consumed bytes are given back in one WINDOW_UPDATE when they are half of the window,
 * so that a bulk stream costs few frames and never runs dry.
 */
export class ReceiveWindow {
  #sizeBytes: number
  /** What the peer may still send. */
  #openBytes: number
  /** Received, handed on, not consumed. */
  #heldBytes = 0
  /** Consumed, not yet given back. */
  #owedBytes = 0

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
    this.#openBytes = sizeBytes
  }

  /** Received and not yet consumed. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** A DATA payload of `bytes` came; false when the peer had no credit for it. */
  take(bytes: number): boolean {
    if (bytes > this.#openBytes) return false
    this.#openBytes -= bytes
    this.#heldBytes += bytes
    return true
  }

  /** Returns the increment for a WINDOW_UPDATE, 0 when it can wait. More than what is held counts as what is held. */
  consume(bytes: number): number {
    const consumed = Math.min(bytes, this.#heldBytes)
    this.#heldBytes -= consumed
    this.#owedBytes += consumed
    return this.#giveBack()
  }

  /** The initial size that was announced has been acknowledged. Returns an increment as `consume` does. */
  resize(sizeBytes: number): number {
    this.#openBytes += sizeBytes - this.#sizeBytes
    this.#sizeBytes = sizeBytes
    return this.#giveBack()
  }

  #giveBack(): number {
    if (this.#owedBytes * 2 < this.#sizeBytes || this.#owedBytes === 0) return 0
    const increment = this.#owedBytes
    this.#owedBytes = 0
    this.#openBytes += increment
    return increment
  }
}
