import { parse } from '@marcbachmann/cel-js'
import type { Telemetry, TelemetryMode } from '#shared/k8s'
import type { MetricOverride, ServiceName, ServiceTelemetry, SpanTag } from '#shared/l7'
import type { Find } from './findings.ts'

/** All Telemetry for one service as one, from the widest to the narrowest: what a later one says wins (d.6). */
export function serviceTelemetry(service: ServiceName, layers: readonly Telemetry[]): ServiceTelemetry {
  let accessLog: ServiceTelemetry['accessLog'] = { isDisabled: false, providers: [], filter: '' }
  let tracing: ServiceTelemetry['tracing'] = { isDisabled: false, providers: [], samplingPercent: undefined, tags: [] }
  const metrics: MetricOverride[] = []
  for (const { spec } of layers) {
    for (const log of spec.accessLogging.filter(isOfServers)) {
      accessLog = {
        isDisabled: log.disabled ?? false,
        providers: log.providers.length > 0 ? log.providers : accessLog.providers,
        filter: log.filter === undefined ? accessLog.filter : isExpression(log.filter) ? log.filter : '',
      }
    }
    for (const trace of spec.tracing.filter(isOfServers)) {
      tracing = {
        isDisabled: trace.disableSpanReporting ?? tracing.isDisabled,
        providers: trace.providers.length > 0 ? trace.providers : tracing.providers,
        samplingPercent: trace.randomSamplingPercentage ?? tracing.samplingPercent,
        tags: trace.customTags.length > 0 ? trace.customTags.map(tagOf) : tracing.tags,
      }
    }
    metrics.push(...spec.metrics.flatMap(overridesOf))
  }
  return { namespace: service.namespace, hostname: service.hostname, accessLog, tracing, metrics }
}

/** A waypoint tells of requests as the server's side does. */
function isOfServers({ mode }: { readonly mode: TelemetryMode }): boolean {
  return mode !== 'CLIENT'
}

const MODES = { CLIENT: 'client', SERVER: 'server', CLIENT_AND_SERVER: 'both' } as const

function overridesOf({ providers, overrides }: Telemetry['spec']['metrics'][number]): readonly MetricOverride[] {
  const named = providers.length === 0 ? [''] : providers
  return named.flatMap((provider) =>
    overrides.map(
      ({ mode, metric, disabled, tagOverrides }): MetricOverride => ({
        provider,
        metric,
        mode: MODES[mode],
        isDisabled: disabled,
        tags: tagOverrides
          .filter(([, expression]) => expression === undefined || isExpression(expression))
          .map(([name, expression]) => ({ name, expression: expression ?? '' })),
      }),
    ),
  )
}

function tagOf([name, tag]: Telemetry['spec']['tracing'][number]['customTags'][number]): SpanTag {
  if (tag.kind === 'literal') return { name, value: tag }
  return { name, value: { kind: tag.kind, name: tag.name, missing: tag.defaultValue } }
}

/** Expressions that are none: a filter like that filters nothing, a tag like that is left as it is. */
export function telemetryFindings({ spec }: Telemetry, find: Find): void {
  const check = (expression: string | undefined, path: string): void => {
    if (expression === undefined || isExpression(expression)) return
    find({ path, reason: 'UnsupportedValue', message: 'is no CEL expression' })
  }
  for (const [i, { filter }] of spec.accessLogging.entries())
    check(filter, `spec.accessLogging[${i}].filter.expression`)
  for (const [i, { overrides }] of spec.metrics.entries()) {
    for (const [j, { tagOverrides }] of overrides.entries()) {
      for (const [name, expression] of tagOverrides)
        check(expression, `spec.metrics[${i}].overrides[${j}].tagOverrides.${name}`)
    }
  }
}

function isExpression(text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}
