import type { Timer } from '#shared/clock'
import type { Slab } from '#shared/net'
import type { Connection } from './connection.ts'
import { FrameReceiver } from './frame-receiver.ts'
import { connectionError } from './h2-error.ts'
import { ReceiveBuffer } from './receive-buffer.ts'
import { H2ErrorCode } from './types.ts'

/** Queued beyond the bound for DATA: control frames of a peer that does not read. */
const MAX_UNREAD_ANSWERS_BYTES = 1024 * 1024

/** The way in: from the transport's reads to frames. Whatever goes wrong on it ends the connection, never the process. */
export class Intake {
  readonly #connection: Connection
  readonly #receiver: FrameReceiver
  /** Where the transport puts what it reads. */
  readonly buffer: ReceiveBuffer
  #isRunDeliveryPlanned = false
  #headerBlockTimer: Timer | undefined

  constructor(connection: Connection) {
    this.#connection = connection
    this.#receiver = new FrameReceiver(connection)
    this.buffer = new ReceiveBuffer(
      (slab, start, end, isOwn) => this.#receive(slab, start, end, isOwn),
      () => this.#deliverRun(),
    )
  }

  /** What still comes is thrown away. */
  stop(): void {
    this.#receiver.stop()
    this.buffer.stop()
    this.#headerBlockTimer?.cancel()
  }

  /** The transport is closed. */
  close(): void {
    this.stop()
    this.buffer.close()
  }

  #receive(slab: Slab, start: number, end: number, isOwn: boolean): void {
    const { role, meter, queue, limits } = this.#connection
    if (role === 'client') meter.receivedBytes += end - start
    else meter.sentBytes += end - start
    try {
      this.#receiver.feed(slab, start, end)
      if (this.#receiver.hasRun) this.#settleRun(isOwn)
      if (this.#receiver.isInsideHeaderBlock !== (this.#headerBlockTimer !== undefined)) this.#watchHeaderBlock()
      // Answers to PING and SETTINGS know no window: a peer that asks and does not read is cut.
      if (queue.queuedBytes > limits.maxQueuedConnectionBytes + MAX_UNREAD_ANSWERS_BYTES)
        throw connectionError(H2ErrorCode.ENHANCE_YOUR_CALM, 'peer does not read')
    } catch (error) {
      this.#connection.fail(error)
    }
  }

  /** A run in the connection's own slab may still grow in this turn of the loop; in the shared slab it may not. */
  #settleRun(isOwn: boolean): void {
    if (!isOwn) {
      this.#receiver.deliverRun()
    } else if (!this.#isRunDeliveryPlanned) {
      this.#isRunDeliveryPlanned = true
      setImmediate(this.#deliverPlannedRun)
    }
  }

  readonly #deliverPlannedRun = (): void => {
    this.#isRunDeliveryPlanned = false
    this.#deliverRun()
  }

  #deliverRun(): void {
    this.#connection.guard(this.#deliverRunNow)
  }

  readonly #deliverRunNow = (): void => this.#receiver.deliverRun()

  #watchHeaderBlock(): void {
    if (this.#headerBlockTimer !== undefined) {
      this.#headerBlockTimer.cancel()
      this.#headerBlockTimer = undefined
    } else if (!this.#connection.isClosing) {
      this.#headerBlockTimer = this.#connection.clock.setTimer(this.#connection.limits.headerBlockTimeoutMs, () =>
        this.#connection.abort(H2ErrorCode.ENHANCE_YOUR_CALM, 'header block not complete in time'),
      )
    }
  }
}
