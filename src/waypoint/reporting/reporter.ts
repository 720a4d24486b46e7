import { randomUUID } from 'node:crypto'
import type { Clock } from '#shared/clock'
import type { ServiceTelemetry } from '#shared/l7'
import type { Service, Workload } from '#shared/model'
import type { ByteMeter } from '#shared/net'
import type { LineOutput, Logger, Metrics } from '#shared/telemetry'
import {
  type BodySink,
  type BodySource,
  type Exchange,
  type Fields,
  grpcStatusOf,
  isGrpc,
  type LocalReply,
  type ResponseHead,
} from '../codec/index.ts'
import { type Course, newCourse } from '../resilience/index.ts'
import type { RouteMatch } from '../route/index.ts'
import { AccessLines, type AccessLogFormat } from './access-lines.ts'
import { ConnectionMetrics } from './connection-metrics.ts'
import { type AnswerEnd, CountedBody, WatchedSink } from './counted-body.ts'
import type { ConnectionFacts, ExchangeFacts } from './facts.ts'
import { MessageCounter } from './message-counter.ts'
import { type MetricsProfile, RequestMetrics } from './request-metrics.ts'
import type { TraceContext } from './trace-context.ts'
import { Tracer, type TracingSettings } from './tracer.ts'

export interface ReporterOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly profile: MetricsProfile
  readonly logger: Logger
  readonly accessLog: { readonly output: LineOutput; readonly format: AccessLogFormat }
  readonly tracing: TracingSettings
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What the control plane says of the service's telemetry; undefined = the defaults. */
  readonly telemetryOf: (service: Service) => ServiceTelemetry | undefined
  /** Whose address the tunnel of an exchange came from. */
  readonly sourceOf: (exchange: Exchange) => Workload | undefined
}

/** Keeps the books of exchanges: one set of counters, one line and one span for each, at its end. */
export class Reporter {
  readonly #options: ReporterOptions
  readonly #metrics: RequestMetrics
  readonly #connections: ConnectionMetrics
  readonly #lines: AccessLines
  readonly #tracer: Tracer

  constructor(options: ReporterOptions) {
    this.#options = options
    const refuse = ({ namespace, hostname }: ServiceTelemetry, reason: string): void =>
      options.logger.warn('part of a Telemetry is not applied', { service: `${namespace}/${hostname}`, reason })
    this.#metrics = new RequestMetrics(options.metrics, options.profile, refuse)
    this.#connections = new ConnectionMetrics(options.metrics, options.profile)
    this.#lines = new AccessLines(options.accessLog.output, options.accessLog.format, refuse)
    this.#tracer = new Tracer(options.tracing, { ...options, refuse })
  }

  /** Before anything looks at the request: it gets an id, and its place in a trace. */
  begin(exchange: Exchange): ExchangeReport {
    const { destination } = exchange.connection
    const service = destination.kind === 'service' ? destination.service : undefined
    const telemetry = service === undefined ? undefined : this.#options.telemetryOf(service)
    const { fields } = exchange.request
    if (!fields.has('x-request-id')) fields.set('x-request-id', randomUUID())
    const trace = this.#tracer.begin(fields, telemetry)
    const { clock, sourceOf } = this.#options
    return new ExchangeReport(exchange, sourceOf(exchange), service, trace, clock, (facts) => {
      this.#metrics.record(facts, telemetry)
      this.#lines.write(facts, telemetry)
      if (trace !== undefined) this.#tracer.end(facts, trace, telemetry)
    })
  }

  /**
   * A connection that is carried as bytes.
   *
   * @param meter where they are counted
   * @returns to be called once, with Envoy's flag of its end; `-` = a success
   */
  connectionOpened(facts: ConnectionFacts, meter: Readonly<ByteMeter>): (flag: string) => void {
    const { clock, telemetryOf } = this.#options
    const telemetry = facts.service === undefined ? undefined : telemetryOf(facts.service)
    const counted = this.#connections.opened(facts, meter)
    return (flag) => {
      if (!counted.closed(flag)) return
      const durationMs = clock.monotonicMs() - facts.openedAtMs
      const { sentBytes: receivedBytes, receivedBytes: sentBytes } = meter
      const end = { flag, receivedBytes, sentBytes, startedMs: clock.nowMs() - durationMs, durationMs }
      this.#lines.writeConnection(facts, end, telemetry)
    }
  }

  /** For a process that is about to end. */
  async flush(): Promise<void> {
    await this.#tracer.flush()
  }
}

/** The books of one exchange. They are closed once, by its end or by its client's going. */
export class ExchangeReport {
  /** For the attempts to write into. */
  readonly course: Course = newCourse()
  /** Set when a rule has been found. */
  route: RouteMatch | undefined
  readonly #exchange: Exchange
  readonly #source: Workload | undefined
  readonly #service: Service | undefined
  readonly #trace: TraceContext | undefined
  readonly #clock: Clock
  readonly #close: (facts: ExchangeFacts) => void
  readonly #startedMs: number
  /** Undefined = it is not gRPC. */
  readonly #requests: MessageCounter | undefined
  readonly #responses: MessageCounter | undefined
  #head: ResponseHead | undefined
  #reply: LocalReply | undefined
  #isClosed = false

  constructor(
    exchange: Exchange,
    source: Workload | undefined,
    service: Service | undefined,
    trace: TraceContext | undefined,
    clock: Clock,
    close: (facts: ExchangeFacts) => void,
  ) {
    this.#exchange = exchange
    this.#source = source
    this.#service = service
    this.#trace = trace
    this.#clock = clock
    this.#close = close
    this.#startedMs = clock.nowMs() - (clock.monotonicMs() - exchange.receivedAtMs)
    if (!isGrpc(exchange.request)) return
    this.#requests = new MessageCounter()
    this.#responses = new MessageCounter()
  }

  /** The request's body, to be read in place of its own. */
  requestBody(body: BodySource): BodySource {
    return this.#requests === undefined ? body : new CountedBody(body, this.#requests)
  }

  /** Where an endpoint's answer goes, to be written in place of the client's own sink. */
  answer(head: ResponseHead, sink: BodySink): BodySink {
    this.#head = head
    return new WatchedSink(sink, this.#responses, (end) => this.#answered(head, end))
  }

  /** An answer of our own, once it has been sent. */
  replied(reply: LocalReply): void {
    this.#reply = reply
    // gRPC's answers of ours are trailers only.
    const status = this.#requests === undefined ? reply.status : 200
    this.#end(reply.flag === 'DC' ? 0 : status, grpcStatusOf(reply), reply.flag)
  }

  clientGone(): void {
    this.#end(this.#head?.status ?? 0, undefined, 'DC')
  }

  #answered(head: ResponseHead, end: AnswerEnd): void {
    if (end.kind === 'complete') {
      this.#end(head.status, statusIn(end.trailers) ?? statusIn(head.fields), '')
    } else {
      this.#end(head.status, undefined, cutFlag(this.#exchange, head, end))
    }
  }

  #end(status: number, grpcStatus: number | undefined, flag: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { course } = this
    const { answeredAtMs, sentAtMs } = course
    this.#close({
      exchange: this.#exchange,
      source: this.#source,
      service: this.#service,
      route: this.route,
      course,
      status,
      grpcStatus: this.#requests === undefined ? undefined : grpcStatus,
      isGrpc: this.#requests !== undefined,
      requestMessages: this.#requests?.count ?? 0,
      responseMessages: this.#responses?.count ?? 0,
      flags: flagsOf(flag, course),
      reply: this.#reply,
      startedMs: this.#startedMs,
      durationMs: this.#clock.monotonicMs() - this.#exchange.receivedAtMs,
      upstreamMs: answeredAtMs === undefined || sentAtMs === undefined ? undefined : answeredAtMs - sentAtMs,
      traceId: this.#trace?.traceId,
    })
  }
}

function cutFlag(
  { request }: Exchange,
  { status }: ResponseHead,
  end: Exclude<AnswerEnd, { kind: 'complete' }>,
): string {
  if (end.kind === 'cut') return end.error.spec.flag === '-' ? '' : end.error.spec.flag
  // Of these the client gets no body, whoever sent one.
  return request.method === 'HEAD' || status === 204 || status === 304 ? '' : 'DC'
}

/** Envoy adds why no other attempt followed. */
function flagsOf(flag: string, { retryStop }: Course): string {
  const added = retryStop === 'exhausted' ? 'URX' : retryStop === 'budget' ? 'UO' : ''
  if (added === '' || added === flag) return flag === '' ? '-' : flag
  return flag === '' ? added : `${flag},${added}`
}

function statusIn(fields: Fields | undefined): number | undefined {
  const text = fields?.get('grpc-status')
  return text !== undefined && /^\d{1,2}$/.test(text) ? Number(text) : undefined
}
