import type { Timer } from '#shared/clock'
import type { Connection } from './connection.ts'
import type { Stream } from './stream.ts'
import { H2ErrorCode } from './types.ts'

/**
 * Streams that have more to send than windows and queue take, the longest waiting first: each is told when it can go
 * on, and goes to the end of the line when it has to wait again, so none starves.
 */
export class BlockedStreams {
  readonly #connection: Connection
  readonly #waiting = new Set<Stream>()
  #stallTimer: Timer | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  get count(): number {
    return this.#waiting.size
  }

  add(stream: Stream): void {
    this.#waiting.add(stream)
    const { limits, clock } = this.#connection
    if (limits.stalledWindowTimeoutMs === 0) return
    stream.stalledAtMs ??= clock.monotonicMs()
    this.#armStallTimer()
  }

  delete(stream: Stream): void {
    this.#waiting.delete(stream)
  }

  stop(): void {
    this.#stallTimer?.cancel()
    this.#waiting.clear()
  }

  /** The connection's window or queue has room again. */
  wake(): void {
    const { sendWindow, queue, limits } = this.#connection
    for (let turns = this.#waiting.size; turns > 0; turns--) {
      if (sendWindow.bytes <= 0 || queue.queuedBytes * 2 > limits.maxQueuedConnectionBytes) return
      const stream = this.#waiting.values().next().value
      if (stream === undefined) return
      this.#waiting.delete(stream)
      if (this.#mayGoOn(stream)) resume(stream)
      else this.#waiting.add(stream)
    }
  }

  /** The window of one stream has grown. */
  wakeOne(stream: Stream): void {
    if (!this.#waiting.has(stream) || !this.#mayGoOn(stream) || this.#connection.sendWindow.bytes <= 0) return
    this.#waiting.delete(stream)
    resume(stream)
  }

  #mayGoOn(stream: Stream): boolean {
    return stream.sendWindow.bytes > 0 && stream.queuedBytes * 2 <= this.#connection.limits.maxQueuedStreamBytes
  }

  /** Looks twice per time-out, so that a stalled stream lives at most one and a half of it. */
  #armStallTimer(): void {
    const { limits, clock } = this.#connection
    this.#stallTimer ??= clock.setTimer(limits.stalledWindowTimeoutMs / 2, () => {
      this.#stallTimer = undefined
      this.#resetStalled(limits.stalledWindowTimeoutMs, clock.monotonicMs())
      if (this.#waiting.size > 0) this.#armStallTimer()
    })
  }

  #resetStalled(limitMs: number, nowMs: number): void {
    for (const stream of [...this.#waiting]) {
      if (stream.stalledAtMs === undefined || nowMs - stream.stalledAtMs < limitMs) continue
      stream.reset(H2ErrorCode.FLOW_CONTROL_ERROR)
      stream.handler?.onReset(H2ErrorCode.FLOW_CONTROL_ERROR, 'peer gave no window in time')
    }
  }
}

function resume(stream: Stream): void {
  stream.stalledAtMs = undefined
  stream.handler?.onWritable()
}
