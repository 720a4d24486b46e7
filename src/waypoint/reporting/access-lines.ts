import { formatConnectTarget } from '#shared/hbone'
import type { ServiceTelemetry } from '#shared/l7'
import type { Service } from '#shared/model'
import { formatSocketAddress } from '#shared/net'
import type { LineOutput } from '#shared/telemetry'
import { resolveAttribute } from './attributes.ts'
import { compileExpression, type Expression } from './expression.ts'
import { type ConnectionFacts, clusterName, type ExchangeFacts, requestId, userAgent } from './facts.ts'

export type AccessLogFormat = 'text' | 'json' | 'off'

/** How a connection that is not HTTP ended. */
export interface ConnectionEnd {
  /** Envoy's; `-` = a success. */
  readonly flag: string
  /** From and to the client. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /** Wall clock. */
  readonly startedMs: number
  readonly durationMs: number
}

/** What is safe between quotes: printable ASCII without quote and backslash. */
const PLAIN = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/

/** And without spaces, no longer than what is cut. */
const BARE = /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/

/** Longer values of clients are cut: a line must not cost more than its request. */
const MAX_VALUE_CHARS = 1024

/** Istio's name for the log that the proxy itself writes. */
const OWN_PROVIDER = 'envoy'

type Filter = Expression<ExchangeFacts>

/** One line for each exchange, in Istio's default text format or with its JSON keys. */
export class AccessLines {
  readonly #output: LineOutput
  readonly #format: AccessLogFormat
  readonly #refuse: (telemetry: ServiceTelemetry, what: string) => void
  readonly #filters = new WeakMap<ServiceTelemetry, Filter | 'all'>()

  /** @param refuse is told of a filter that is not understood; all lines are written then, since losing some would be worse */
  constructor(
    output: LineOutput,
    format: AccessLogFormat,
    refuse: (telemetry: ServiceTelemetry, what: string) => void,
  ) {
    this.#output = output
    this.#format = format
    this.#refuse = refuse
  }

  write(facts: ExchangeFacts, telemetry: ServiceTelemetry | undefined): void {
    if (!this.#isWanted(facts, telemetry)) return
    this.#output.line(this.#format === 'json' ? jsonLine(facts) : textLine(facts))
  }

  /** A filter is about requests: connections have a line whatever it says. */
  writeConnection(facts: ConnectionFacts, end: ConnectionEnd, telemetry: ServiceTelemetry | undefined): void {
    if (this.#format === 'off' || telemetry?.accessLog.isDisabled === true) return
    this.#output.line(this.#format === 'json' ? connectionJson(facts, end) : connectionText(facts, end))
  }

  #isWanted(facts: ExchangeFacts, telemetry: ServiceTelemetry | undefined): boolean {
    if (this.#format === 'off') return false
    if (telemetry === undefined) return true
    if (telemetry.accessLog.isDisabled) return false
    const filter = this.#filterOf(telemetry)
    return filter === 'all' || filter(facts) === true
  }

  #filterOf(telemetry: ServiceTelemetry): Filter | 'all' {
    const known = this.#filters.get(telemetry)
    if (known !== undefined) return known
    const filter = this.#compile(telemetry)
    this.#filters.set(telemetry, filter)
    return filter
  }

  #compile(telemetry: ServiceTelemetry): Filter | 'all' {
    for (const provider of telemetry.accessLog.providers) {
      if (provider === OWN_PROVIDER) continue
      this.#refuse(
        telemetry,
        `access log provider ${JSON.stringify(provider.slice(0, 64))}: lines go to standard output`,
      )
    }
    if (telemetry.accessLog.filter === '') return 'all'
    try {
      return compileExpression(telemetry.accessLog.filter, resolveAttribute)
    } catch (error) {
      this.#refuse(telemetry, `access log filter: ${error instanceof Error ? error.message : error}`)
      return 'all'
    }
  }
}

function textLine(facts: ExchangeFacts): string {
  const { exchange, course, route, status, flags, reply } = facts
  const { request, connection } = exchange
  const endpoint = course.picked?.endpoint
  const details = reply?.details ?? (course.picked === undefined ? '-' : 'via_upstream')
  return (
    `[${timeText(facts.startedMs)}] "${bare(request.method)} ${bare(request.target)} ${request.version}" ` +
    `${status} ${flags} ${bare(details)} - "${quoted(reply?.cause?.message)}" ` +
    `${exchange.requestBytes} ${exchange.responseBytes} ${Math.round(facts.durationMs)} ${upstreamTime(facts) ?? '-'} ` +
    `"${quoted(request.fields.get('x-forwarded-for'))}" "${quoted(userAgent(facts))}" "${quoted(requestId(facts))}" ` +
    `"${quoted(request.authority)}" "${endpoint === undefined ? '-' : formatConnectTarget(endpoint.address)}" ` +
    `${endpointCluster(facts) ?? '-'} - ${localAddress(facts) ?? '-'} ${formatSocketAddress(connection.source)} - ` +
    `${bare(route?.name ?? '-')}\n`
  )
}

function jsonLine(facts: ExchangeFacts): string {
  const { exchange, course, route, reply } = facts
  const { request, connection } = exchange
  const endpoint = course.picked?.endpoint
  return `${JSON.stringify({
    start_time: timeText(facts.startedMs),
    method: cut(request.method),
    path: cut(request.target),
    protocol: request.version,
    response_code: facts.status,
    response_flags: facts.flags,
    response_code_details: reply?.details ?? (course.picked === undefined ? null : 'via_upstream'),
    connection_termination_details: null,
    upstream_transport_failure_reason: cut(reply?.cause?.message),
    bytes_received: exchange.requestBytes,
    bytes_sent: exchange.responseBytes,
    duration: Math.round(facts.durationMs),
    upstream_service_time: upstreamTime(facts) ?? null,
    x_forwarded_for: cut(request.fields.get('x-forwarded-for')),
    user_agent: cut(userAgent(facts)),
    request_id: cut(requestId(facts)),
    authority: cut(request.authority),
    upstream_host: endpoint === undefined ? null : formatConnectTarget(endpoint.address),
    upstream_cluster: endpointCluster(facts) ?? null,
    upstream_local_address: null,
    downstream_local_address: localAddress(facts) ?? null,
    downstream_remote_address: formatSocketAddress(connection.source),
    requested_server_name: null,
    route_name: cut(route?.name),
    ...(facts.traceId === undefined ? {} : { trace_id: facts.traceId }),
    ...(course.attempts > 1 ? { attempts: course.attempts } : {}),
  })}\n`
}

function connectionText(facts: ConnectionFacts, end: ConnectionEnd): string {
  const { sourceAddress, picked } = facts
  return (
    `[${timeText(end.startedMs)}] "- - -" 0 ${end.flag} - - "-" ${end.receivedBytes} ${end.sentBytes} ` +
    `${Math.round(end.durationMs)} - "-" "-" "-" "-" ` +
    `"${picked === undefined ? '-' : formatConnectTarget(picked.endpoint.address)}" ` +
    `${picked === undefined ? '-' : clusterName(picked.cluster.backend, 'tcp')} - ` +
    `${dialled(facts.service, facts.port) ?? '-'} ${formatSocketAddress(sourceAddress)} - -\n`
  )
}

function connectionJson(facts: ConnectionFacts, end: ConnectionEnd): string {
  const { sourceAddress, picked } = facts
  return `${JSON.stringify({
    start_time: timeText(end.startedMs),
    response_code: 0,
    response_flags: end.flag,
    bytes_received: end.receivedBytes,
    bytes_sent: end.sentBytes,
    duration: Math.round(end.durationMs),
    upstream_host: picked === undefined ? null : formatConnectTarget(picked.endpoint.address),
    upstream_cluster: picked === undefined ? null : clusterName(picked.cluster.backend, 'tcp'),
    downstream_local_address: dialled(facts.service, facts.port) ?? null,
    downstream_remote_address: formatSocketAddress(sourceAddress),
  })}\n`
}

function upstreamTime({ upstreamMs }: ExchangeFacts): string | undefined {
  return upstreamMs === undefined ? undefined : String(Math.round(upstreamMs))
}

function endpointCluster({ course }: ExchangeFacts): string | undefined {
  return course.picked === undefined ? undefined : clusterName(course.picked.cluster.backend, 'http')
}

function localAddress({ exchange, service }: ExchangeFacts): string | undefined {
  return dialled(service, exchange.connection.destination.port)
}

/** By name: several addresses may mean the same. */
function dialled(service: Service | undefined, port: number): string | undefined {
  return service === undefined ? undefined : `${service.hostname}:${port}`
}

function cut(value: string | undefined): string | null {
  return value?.slice(0, MAX_VALUE_CHARS) ?? null
}

/** Between quotes: nothing of a client's can end them, the line, or what a terminal shows. */
function quoted(value: string | undefined): string {
  if (value === undefined || value === '') return '-'
  const short = value.length > MAX_VALUE_CHARS ? value.slice(0, MAX_VALUE_CHARS) : value
  return PLAIN.test(short) ? short : short.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, escaped)
}

/** Without quotes of its own: no spaces either. */
function bare(value: string): string {
  return BARE.test(value) ? value : quoted(value).replaceAll(' ', '\\x20')
}

/** The text of the last second: a formatted date costs as much as the rest of a line. */
const lastSecond = { second: Number.NaN, text: '' }

function timeText(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond.second) {
    lastSecond.second = second
    lastSecond.text = new Date(second * 1000).toISOString().slice(0, 20)
  }
  return `${lastSecond.text}${String(Math.floor(ms) - second * 1000).padStart(3, '0')}Z`
}

function escaped(char: string): string {
  const code = char.charCodeAt(0)
  return code > 0xff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\x${code.toString(16).padStart(2, '0')}`
}
