import type { MetricOverride, ServiceTelemetry } from '#shared/l7'
import { resolveAttribute } from './attributes.ts'
import { compileExpression, type Expression } from './expression.ts'
import type { ExchangeFacts } from './facts.ts'

export const REQUEST_METRICS = {
  REQUEST_COUNT: 'istio_requests_total',
  REQUEST_DURATION: 'istio_request_duration_milliseconds',
  REQUEST_SIZE: 'istio_request_bytes',
  RESPONSE_SIZE: 'istio_response_bytes',
  GRPC_REQUEST_MESSAGES: 'istio_request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'istio_response_messages_total',
} as const
export type RequestMetric = keyof typeof REQUEST_METRICS

/** Of connections that are not HTTP: known, so that nobody is told otherwise. */
const TCP_METRICS: Readonly<Record<string, string>> = {
  TCP_OPENED_CONNECTIONS: 'istio_tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'istio_tcp_connections_closed_total',
  TCP_SENT_BYTES: 'istio_tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'istio_tcp_received_bytes_total',
}

/** What becomes of one tag: another value, or (undefined) it goes. */
export type TagChange = Expression<ExchangeFacts> | undefined

export interface MetricChange {
  readonly isDisabled: boolean
  readonly tags: ReadonlyMap<string, TagChange>
}

const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/
const MAX_TAGS = 32

/**
 * What a service's Telemetry changes at each metric; metrics that it leaves alone are not there.
 *
 * @param refuse is told of each part that is not applied, and why
 */
export function compileOverrides(
  { metrics }: ServiceTelemetry,
  refuse: (what: string) => void,
): ReadonlyMap<RequestMetric, MetricChange> {
  const changes = new Map<RequestMetric, { isDisabled: boolean; tags: Map<string, TagChange> }>()
  for (const override of metrics) {
    if (override.mode === 'client' || !isOurs(override)) continue
    const tags = compileTags(override, refuse)
    for (const metric of metricsOf(override.metric, refuse)) {
      const change = changes.get(metric) ?? { isDisabled: false, tags: new Map() }
      change.isDisabled = override.isDisabled ?? change.isDisabled
      for (const [name, tag] of tags)
        if (change.tags.size < MAX_TAGS || change.tags.has(name)) change.tags.set(name, tag)
      changes.set(metric, change)
    }
  }
  return changes
}

function isOurs({ provider }: MetricOverride): boolean {
  return provider === '' || provider === 'prometheus'
}

function metricsOf(name: string, refuse: (what: string) => void): readonly RequestMetric[] {
  const all = Object.keys(REQUEST_METRICS) as RequestMetric[] // the keys of a constant
  if (name === '' || name === 'ALL_METRICS') return all
  const found = all.find((metric) => metric === name || REQUEST_METRICS[metric] === name)
  if (found !== undefined) return [found]
  if (!Object.hasOwn(TCP_METRICS, name) && !Object.values(TCP_METRICS).includes(name)) {
    refuse(`metric ${JSON.stringify(name.slice(0, 64))} is none of a waypoint’s`)
  } else refuse(`metric ${name} of connections takes no changes`)
  return []
}

function compileTags({ tags }: MetricOverride, refuse: (what: string) => void): ReadonlyMap<string, TagChange> {
  const compiled = new Map<string, TagChange>()
  for (const { name, expression } of tags) {
    if (!LABEL_NAME.test(name)) {
      refuse(`tag ${JSON.stringify(name.slice(0, 64))} is no name of a label`)
      continue
    }
    try {
      compiled.set(name, expression === '' ? undefined : compileExpression(expression, resolveAttribute))
    } catch (error) {
      refuse(`tag ${name}: ${error instanceof Error ? error.message : error}`)
    }
  }
  return compiled
}
