import type { Clock } from '#shared/clock'
import type { ServiceTelemetry, SpanTag } from '#shared/l7'
import type { Logger, Metrics } from '#shared/telemetry'
import type { Fields } from '../codec/index.ts'
import {
  clusterName,
  destinationOf,
  type ExchangeFacts,
  pathOf,
  requestId,
  sourcePrincipal,
  userAgent,
} from './facts.ts'
import { jsonPoster } from './post-json.ts'
import { SpanExporter } from './span-exporter.ts'
import { encodeOtlp, encodeZipkin, type Span } from './spans.ts'
import { isUnsampled, readTrace, type TraceContext, writeTrace } from './trace-context.ts'

export type TracingSettings =
  /** Trace context of clients goes through as it came. */
  | { readonly kind: 'off' }
  | {
      readonly kind: 'otlp' | 'zipkin'
      readonly url: URL
      /** Of requests that come without a decision, where no Telemetry says otherwise. */
      readonly samplingPercent: number
      /** `<workload>.<namespace>` */
      readonly service: string
    }

export interface TracerOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** What custom tags read from. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Told of parts of a Telemetry that are not applied, once for each record. */
  readonly refuse: (telemetry: ServiceTelemetry, what: string) => void
}

const MAX_TAG_CHARS = 256

/** Takes part in traces: a span of our own for each sampled exchange. */
export class Tracer {
  readonly #options: TracerOptions
  readonly #samplingPercent: number
  readonly #exporter: SpanExporter | undefined
  readonly #seen = new WeakSet<ServiceTelemetry>()

  constructor(settings: TracingSettings, options: TracerOptions) {
    this.#options = options
    if (settings.kind === 'off') {
      this.#samplingPercent = 0
      this.#exporter = undefined
      return
    }
    this.#samplingPercent = settings.samplingPercent
    this.#exporter = new SpanExporter({
      ...options,
      encode: settings.kind === 'otlp' ? encodeOtlp : encodeZipkin,
      post: jsonPoster(settings.url),
      service: settings.service,
    })
  }

  /**
   * Puts our span between the client's and the endpoint's; what the client decided about sampling stays.
   *
   * @returns undefined where nothing is traced: then the context goes through as it came
   */
  begin(fields: Fields, telemetry: ServiceTelemetry | undefined): TraceContext | undefined {
    if (this.#exporter === undefined || telemetry?.tracing.isDisabled === true) return undefined
    if (telemetry !== undefined) this.#checkProviders(telemetry)
    const { clock } = this.#options
    const came = readTrace(fields)
    const percent = telemetry?.tracing.samplingPercent ?? this.#samplingPercent
    const context: TraceContext = {
      traceId: came?.traceId ?? hexId(clock) + hexId(clock),
      spanId: hexId(clock),
      parentId: came?.parentId,
      isSampled: came?.isSampled ?? (!isUnsampled(fields) && clock.random() * 100 < percent),
    }
    if (came === undefined) fields.remove('tracestate') // it belongs to a trace that is none
    writeTrace(fields, context)
    return context
  }

  /** There is one back end, that of the settings. */
  #checkProviders(telemetry: ServiceTelemetry): void {
    if (this.#seen.has(telemetry)) return
    this.#seen.add(telemetry)
    for (const provider of telemetry.tracing.providers) {
      const named = JSON.stringify(provider.slice(0, 64))
      this.#options.refuse(telemetry, `tracing provider ${named}: spans go where the settings say`)
    }
  }

  end(facts: ExchangeFacts, context: TraceContext, telemetry: ServiceTelemetry | undefined): void {
    if (!context.isSampled || this.#exporter === undefined) return
    this.#exporter.add(spanOf(facts, context, telemetry?.tracing.tags ?? [], this.#options.environment))
  }

  async flush(): Promise<void> {
    await this.#exporter?.flush()
  }
}

/** Envoy's and Istio's names of tags. */
function spanOf(
  facts: ExchangeFacts,
  context: TraceContext,
  custom: readonly SpanTag[],
  environment: Readonly<Record<string, string | undefined>>,
): Span {
  const { exchange, source, service, course } = facts
  const { request, connection } = exchange
  const destination = destinationOf(facts)
  const host = service?.hostname ?? request.authority
  const tags: [string, string | undefined][] = [
    ['component', 'proxy'],
    ['http.method', request.method],
    ['http.url', `${request.scheme}://${request.authority}${pathOf(facts)}`],
    ['http.protocol', request.version],
    ['http.status_code', String(facts.status)],
    ['grpc.status_code', facts.grpcStatus === undefined ? undefined : String(facts.grpcStatus)],
    ['guid:x-request-id', requestId(facts)],
    ['user_agent', userAgent(facts)],
    ['request_size', String(exchange.requestBytes)],
    ['response_size', String(exchange.responseBytes)],
    ['response_flags', facts.flags],
    ['upstream_cluster', course.picked && clusterName(course.picked.cluster.backend, 'http')],
    ['istio.source_principal', sourcePrincipal(facts)],
    ['istio.source_workload', source?.workloadName],
    ['istio.source_namespace', source?.namespace],
    ['istio.destination_service', service?.hostname],
    ['istio.destination_workload', destination?.workloadName],
    ['istio.destination_namespace', destination?.namespace],
    ['ambit.attempts', course.attempts > 1 ? String(course.attempts) : undefined],
    ...custom.map((tag): [string, string | undefined] => [
      tag.name,
      customValue(tag, exchange.request.fields, environment),
    ]),
  ]
  return {
    context,
    name: `${host}:${connection.destination.port}/*`,
    startedMs: facts.startedMs,
    durationMs: facts.durationMs,
    isError: facts.status >= 500 || facts.status === 0 || (facts.grpcStatus ?? 0) !== 0,
    tags: tags.flatMap(([name, value]) => (value === undefined ? [] : [[name, value.slice(0, MAX_TAG_CHARS)]])),
  }
}

function customValue(
  { value }: SpanTag,
  fields: Fields,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (value.kind === 'literal') return value.value
  const found = value.kind === 'header' ? fields.get(value.name.toLowerCase()) : environment[value.name]
  return found ?? (value.missing === '' ? undefined : value.missing)
}

/** `00` to `ff`, since `toString(16)` leaves compiled code. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** 16 digits, not all zero. */
function hexId(clock: Clock): string {
  return word(clock) + word(clock)
}

function word(clock: Clock): string {
  const number = Math.floor(clock.random() * 2 ** 32) || 1
  return `${HEX[number >>> 24]}${HEX[(number >>> 16) & 0xff]}${HEX[(number >>> 8) & 0xff]}${HEX[number & 0xff]}`
}
