import {
  checkedText,
  flag,
  integer,
  isRecord,
  list,
  oneOf,
  optional,
  pairs,
  type Report,
  record,
  type Shape,
  shown,
  text,
} from '#shared/document'
import type { KindBody } from './core-kinds.ts'
import { durationMs } from './durations.ts'
import { notHonoured, withNotes } from './notes.ts'
import { selector, targetRef } from './policy-kinds.ts'
import type {
  JwtRule,
  RateLimitPolicy,
  RequestAuthentication,
  Telemetry,
  TelemetryLogging,
  TelemetryMetrics,
  TelemetryTracing,
} from './request-types.ts'
import type { LabelSelector, TargetRef } from './types.ts'

const targets = { selector, targetRef: optional(targetRef), targetRefs: list(targetRef) }

interface Targets {
  readonly selector: LabelSelector | undefined
  readonly targetRef: TargetRef | undefined
  readonly targetRefs: readonly TargetRef[]
}

/** The old single reference counts as one of the list. */
function targetRefsOf(read: Targets, report: Report): readonly TargetRef[] {
  const refs = read.targetRef === undefined ? read.targetRefs : [read.targetRef, ...read.targetRefs]
  if (read.selector !== undefined && refs.length > 0) report(['spec', 'selector'], 'cannot stand beside targetRefs')
  return refs
}

const ruleFields = record(
  {
    issuer: checkedText((issuer) => (issuer === '' ? 'must not be empty' : undefined)),
    audiences: list(text()),
    jwksUri: checkedText((uri) => (uri === '' || /^https?:\/\//.test(uri) ? undefined : 'is no http(s) URL'), ''),
    jwks: checkedText((jwks) => (jwks === '' || isKeySet(jwks) ? undefined : 'is no set of keys'), ''),
    fromHeaders: list(record({ name: text(), prefix: text('') }, 'closed')),
    fromParams: list(text()),
    fromCookies: list(text()),
    outputPayloadToHeader: text(''),
    outputClaimToHeaders: list(record({ header: text(), claim: text() }, 'closed')),
    forwardOriginalToken: flag,
    timeout: optional(durationMs),
    spaceDelimitedClaims: list(text()),
  },
  'closed',
)
const jwtRule: Shape<JwtRule> = (value, path, report) => {
  const { timeout, ...rest } = ruleFields(value, path, report)
  if (rest.jwks !== '' && rest.jwksUri !== '') report([...path, 'jwks'], 'cannot stand beside jwksUri')
  return { ...rest, timeoutMs: timeout }
}

function isKeySet(jwks: string): boolean {
  try {
    const read: unknown = JSON.parse(jwks)
    return isRecord(read) && Array.isArray(read.keys)
  } catch {
    return false
  }
}

const requestAuthentication = record({ ...targets, jwtRules: list(jwtRule) }, 'closed')

export const requestAuthenticationBody: KindBody<Pick<RequestAuthentication, 'spec'>> = (document, report) => {
  const { value, notes } = withNotes(requestAuthentication, document.spec ?? {}, ['spec'], report)
  return {
    spec: { selector: value.selector, targetRefs: targetRefsOf(value, report), jwtRules: value.jwtRules, notes },
  }
}

const mode = oneOf(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'], 'CLIENT_AND_SERVER')
const providersFields = list(record({ name: text() }, 'closed'))
const providers: Shape<readonly string[]> = (value, path, report) =>
  providersFields(value, path, report).map(({ name }) => name)
const match = record({ mode }, 'closed')
const percent: Shape<number> = (value, path, report) => {
  if (typeof value === 'number' && value >= 0 && value <= 100) return value
  report(path, `must be from 0 to 100, is ${shown(value)}`)
  return 0
}

const tagFields = record(
  {
    literal: optional(record({ value: text() }, 'closed')),
    header: optional(record({ name: text(), defaultValue: text('') }, 'closed')),
    environment: optional(record({ name: text(), defaultValue: text('') }, 'closed')),
    formatter: notHonoured('tags are not made of Envoy format strings'),
  },
  'closed',
)
type Tag = TelemetryTracing['customTags'][number][1]
const customTag: Shape<Tag | undefined> = (value, path, report) => {
  const { literal, header, environment } = tagFields(value, path, report)
  if (literal !== undefined) return { kind: 'literal', value: literal.value }
  if (header !== undefined) return { kind: 'header', ...header }
  return environment && { kind: 'environment', ...environment }
}

const tracingFields = record(
  {
    match,
    providers,
    randomSamplingPercentage: optional(percent),
    disableSpanReporting: optional(flag),
    customTags: pairs(customTag),
    useRequestIdForTraceSampling: notHonoured('the trace context decides'),
    enableIstioTags: notHonoured('tags of the mesh are always there'),
  },
  'closed',
)
const tracing: Shape<TelemetryTracing> = (value, path, report) => {
  const read = tracingFields(value, path, report)
  const { randomSamplingPercentage, disableSpanReporting } = read
  const customTags = read.customTags.flatMap(([name, tag]) => (tag === undefined ? [] : [[name, tag] as const]))
  return {
    mode: read.match.mode,
    providers: read.providers,
    randomSamplingPercentage,
    disableSpanReporting,
    customTags,
  }
}

const METRICS = [
  'ALL_METRICS',
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const
const tagOverride = record({ operation: oneOf(['UPSERT', 'REMOVE'], 'UPSERT'), value: text('') }, 'closed')
const overrides = list(
  record(
    {
      match: record({ mode, metric: oneOf(METRICS, 'ALL_METRICS'), customMetric: text('') }, 'closed'),
      disabled: optional(flag),
      tagOverrides: pairs(tagOverride),
    },
    'closed',
  ),
)
const metricsFields = record(
  { providers, overrides, reportingInterval: notHonoured('metrics are fetched, not sent') },
  'closed',
)
const metrics: Shape<TelemetryMetrics> = (value, path, report) => {
  const read = metricsFields(value, path, report)
  return {
    providers: read.providers,
    overrides: read.overrides.map(({ match: { mode: of, metric, customMetric }, disabled, tagOverrides }) => ({
      mode: of,
      metric: customMetric || (metric === 'ALL_METRICS' ? '' : metric),
      disabled,
      tagOverrides: tagOverrides.map(
        ([name, tag]) => [name, tag.operation === 'REMOVE' ? undefined : tag.value] as const,
      ),
    })),
  }
}

const loggingFields = record(
  { match, providers, disabled: optional(flag), filter: optional(record({ expression: text() }, 'closed')) },
  'closed',
)
const logging: Shape<TelemetryLogging> = (value, path, report) => {
  const read = loggingFields(value, path, report)
  return {
    mode: read.match.mode,
    providers: read.providers,
    disabled: read.disabled,
    filter: read.filter?.expression,
  }
}

const telemetry = record(
  { ...targets, tracing: list(tracing), metrics: list(metrics), accessLogging: list(logging) },
  'closed',
)

export const telemetryBody: KindBody<Pick<Telemetry, 'spec'>> = (document, report) => {
  const { value, notes } = withNotes(telemetry, document.spec ?? {}, ['spec'], report)
  const { targetRef: _, targetRefs: __, ...rest } = value
  return { spec: { ...rest, targetRefs: targetRefsOf(value, report), notes } }
}

const KEY = /^(identity|sourceIp|header:[A-Za-z0-9-]+|claim:[^:\s]+)$/
const rateLimit = record(
  {
    targetRefs: list(targetRef),
    limits: list(
      record(
        {
          match: record({ methods: list(text()), paths: list(text()), headers: pairs(text()) }, 'closed'),
          per: list(
            checkedText((key) =>
              KEY.test(key) ? undefined : 'is none of identity, sourceIp, header:NAME and claim:NAME',
            ),
          ),
          requests: integer(1, 1_000_000_000),
          window: durationMs,
          burst: optional(integer(1, 1_000_000_000)),
        },
        'closed',
      ),
    ),
  },
  'closed',
)

export const rateLimitBody: KindBody<Pick<RateLimitPolicy, 'spec'>> = (document, report) => {
  const { targetRefs, limits } = rateLimit(document.spec ?? {}, ['spec'], report)
  if (targetRefs.length === 0) report(['spec', 'targetRefs'], 'is missing')
  if (limits.length === 0) report(['spec', 'limits'], 'is missing')
  limits.forEach(({ window }, i) => {
    if (window < 1) report(['spec', 'limits', i, 'window'], 'must be longer than nothing')
  })
  return { spec: { targetRefs, limits: limits.map(({ window, ...rest }) => ({ ...rest, windowMs: window })) } }
}
