import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Counter, Logger, Metrics } from '#shared/telemetry'
import type { Encode, Span } from './spans.ts'

/** Spans that may wait; more are dropped and counted. */
const MAX_WAITING = 2048
const MAX_BATCH = 512
/** How long a span waits for others. */
const GATHER_MS = 1000
/** One line a minute, however many batches fail. */
const COMPLAIN_EVERY_MS = 60_000

export interface SpanExporterOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly encode: Encode
  /** Rejected when the back end did not take it. */
  readonly post: (body: string) => Promise<void>
  readonly service: string
}

/** Sends spans in batches, one at a time. What the back end does not take is gone: traffic comes first. */
export class SpanExporter {
  readonly #options: SpanExporterOptions
  readonly #exported: Counter
  readonly #full: Counter
  readonly #failed: Counter
  #waiting: Span[] = []
  #timer: Timer | undefined
  #sending: Promise<void> | undefined
  #complainedMs = Number.NEGATIVE_INFINITY

  constructor(options: SpanExporterOptions) {
    this.#options = options
    this.#exported = options.metrics.counter('ambit_spans_exported', 'Spans that the tracing back end has taken')
    const dropped = options.metrics.counters('ambit_spans_dropped', 'Spans that are gone', ['reason'])
    this.#full = dropped.with('queue_full')
    this.#failed = dropped.with('export_failed')
  }

  add(span: Span): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#full.value++
      return
    }
    this.#waiting.push(span)
    if (this.#waiting.length >= MAX_BATCH) this.#pump()
    else this.#timer ??= this.#options.clock.setTimer(GATHER_MS, () => this.#pump())
  }

  /** Sends what waits; for a process that is about to end. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#sending !== undefined) {
      this.#pump()
      await this.#sending
    }
  }

  #pump(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#sending !== undefined || this.#waiting.length === 0) return
    const batch = this.#waiting.splice(0, MAX_BATCH)
    this.#sending = this.#send(batch).finally(() => {
      this.#sending = undefined
      if (this.#waiting.length >= MAX_BATCH) this.#pump()
      else if (this.#waiting.length > 0) {
        this.#timer ??= this.#options.clock.setTimer(GATHER_MS, () => this.#pump())
      }
    })
  }

  async #send(batch: readonly Span[]): Promise<void> {
    const { encode, post, service, clock, logger } = this.#options
    try {
      await post(encode(batch, service))
      this.#exported.value += batch.length
    } catch (error) {
      this.#failed.value += batch.length
      if (clock.monotonicMs() - this.#complainedMs < COMPLAIN_EVERY_MS) return
      this.#complainedMs = clock.monotonicMs()
      logger.warn('spans could not be exported', { reason: reasonOf(error), spans: batch.length })
    }
  }
}
