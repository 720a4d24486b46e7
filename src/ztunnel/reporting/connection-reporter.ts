import type { Clock } from '#shared/clock'
import type { Cancellation } from '#shared/lifecycle'
import type { Workload } from '#shared/model'
import type { ByteMeter } from '#shared/net'
import type { AccessLog, AccessSubject, ConnectionFlag, EarlyDenial } from '#shared/telemetry'
import type { LocalPod, PodWork } from '../capture/index.ts'
import type {
  Connection,
  ConnectionCloseReason,
  ConnectionRecord,
  ConnectionTable,
  DeniedBy,
} from '../connections/index.ts'
import type { Successor } from '../succession/index.ts'
import type { ConnectionLabels, ConnectionMetrics, CountedConnection } from './connection-metrics.ts'
import { earlyCause } from './early-cause.ts'

/** How a connection ended, for its line and its counters. */
export interface Outcome {
  /** Undefined = a success. */
  readonly error: string | undefined
  readonly flag: ConnectionFlag
  /** With flag `DENY`, when it was one policy that refused. */
  readonly deniedBy?: DeniedBy | undefined
}

export const SUCCESS: Outcome = { error: undefined, flag: '-' }

/** A connection whose request has been built. */
export interface Opening<R extends ConnectionRecord> {
  readonly pod: LocalPod
  readonly record: R
  readonly subject: AccessSubject
  readonly labels: ConnectionLabels
  /** When it was accepted, on the steady clock. */
  readonly startedMs: number
  /** Bytes that an earlier process has carried and counted. */
  readonly earlier?: Readonly<ByteMeter> | undefined
}

export interface ConnectionReporterOptions {
  readonly clock: Clock
  readonly accessLog: AccessLog
  readonly metrics: ConnectionMetrics
  readonly table: ConnectionTable
  /** The tunnel that takes this one's place, once this one drains; undefined while it does not, or alone. */
  readonly successor?: () => Successor | undefined
}

const NO_BYTES: Readonly<ByteMeter> = { sentBytes: 0, receivedBytes: 0 }

/** Keeps the books of each connection: the table of live ones, the pod's running work, counters, one line at its end. */
export class ConnectionReporter {
  readonly #options: ConnectionReporterOptions

  constructor(options: ConnectionReporterOptions) {
    this.#options = options
  }

  /** A connection that ended before its request was built: one line, and one counter that Istio has not. */
  failedEarly(denial: EarlyDenial): void {
    this.#options.accessLog.failedEarly(denial)
    const reporter = denial.direction === 'outbound' ? 'source' : 'destination'
    this.#options.metrics.rare.earlyDenial(reporter, earlyCause(denial.error))
  }

  /** A pod's connection whose destination is looked up by its host name. */
  lookedUp(source: Workload, hostname: string): void {
    this.#options.metrics.rare.onDemandDns(source, hostname)
  }

  /** @returns undefined when there are too many connections: it is to be turned away */
  open<R extends ConnectionRecord>(opening: Opening<R>): OpenConnection<R> | undefined {
    let connection: OpenConnection<R> | undefined
    const entry = this.#options.table.add(opening.record, () => connection?.onCancelled?.())
    if (entry !== undefined) connection = new OpenConnection(this.#options, opening, entry)
    return connection
  }
}

/**
 * A live connection's books. It is cancelled by policy changes and drains: whoever carries it then ends it at once, and
 * it must still be `ended`.
 */
export class OpenConnection<R extends ConnectionRecord = ConnectionRecord> implements PodWork, Cancellation {
  readonly #options: ConnectionReporterOptions
  readonly #opening: Opening<R>
  readonly #entry: Connection<R>
  readonly #counted: CountedConnection
  seat = -1
  onCancelled: (() => void) | undefined
  /** Set by whoever can leave it to another process; that calls `left` when it is done. */
  onLeave: ((successor: Successor, elapsedMs: number) => void) | undefined
  #meter = NO_BYTES
  #isEnded = false

  constructor(options: ConnectionReporterOptions, opening: Opening<R>, entry: Connection<R>) {
    this.#options = options
    this.#opening = opening
    this.#entry = entry
    this.#counted = options.metrics.opened(opening.labels)
    options.accessLog.opened(opening.subject)
    opening.pod.work.enter(this)
  }

  get isCancelled(): boolean {
    return this.closedBy !== undefined
  }

  /** Why it was cancelled; undefined while it was not. */
  get closedBy(): ConnectionCloseReason | undefined {
    return this.#entry.closedBy
  }

  get record(): R {
    return this.#entry.record
  }

  /** Bytes are counted here from now on. */
  follow(meter: Readonly<ByteMeter>): void {
    this.#meter = meter
    this.#counted.follow(meter)
  }

  drain(): void {
    const successor = this.#options.successor?.()
    if (successor !== undefined) this.onLeave?.(successor, this.#options.clock.monotonicMs() - this.#opening.startedMs)
  }

  /** It goes on in another process, which will tell of its end. */
  left(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#entry.remove()
    this.#counted.closed('-')
    this.#opening.pod.work.leave(this)
  }

  cut(reason: ConnectionCloseReason): void {
    this.#entry.close(reason)
  }

  /** The end, told once; what cut the connection goes before what its owner saw of it. */
  ended(seen: Outcome): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { error, flag, deniedBy } =
      this.closedBy === undefined ? seen : { ...outcomeOf(this.closedBy), deniedBy: this.#entry.deniedBy }
    const { subject, startedMs, pod, earlier = NO_BYTES } = this.#opening
    const sentBytes = earlier.sentBytes + this.#meter.sentBytes
    const receivedBytes = earlier.receivedBytes + this.#meter.receivedBytes
    // The application of this side is the one that opened when going out, the one that answers when coming in.
    const [sent, received] = subject.direction === 'outbound' ? [sentBytes, receivedBytes] : [receivedBytes, sentBytes]
    this.#entry.remove()
    this.#counted.closed(flag)
    this.#options.accessLog.complete({
      ...subject,
      sentBytes: sent,
      receivedBytes: received,
      durationMs: this.#options.clock.monotonicMs() - startedMs,
      error,
      deniedBy,
    })
    pod.work.leave(this)
  }
}

/** What a connection that the tunnel itself ended is called (hbone-and-ztunnel h.2, h.3). */
export function outcomeOf(reason: ConnectionCloseReason): Outcome {
  switch (reason) {
    case 'policy-change':
      return { error: 'connection closed due to policy change', flag: 'DENY' }
    case 'drain':
    case 'pod-removed':
      return { error: 'connection closed due to connection drain', flag: '-' }
    case 'certificate-revoked':
      return { error: 'connection closed: peer certificate revoked by CRL', flag: 'CERT_REVOKED' }
  }
}
