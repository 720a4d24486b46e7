import type { TraceContext } from './trace-context.ts'

/** One exchange as a tracing back end gets it. */
export interface Span {
  readonly context: TraceContext
  readonly name: string
  /** Wall clock. */
  readonly startedMs: number
  readonly durationMs: number
  readonly isError: boolean
  readonly tags: readonly (readonly [name: string, value: string])[]
}

/** `<workload>.<namespace>`, as Istio's proxies call themselves. */
export type Encode = (spans: readonly Span[], service: string) => string

/** OTLP/HTTP in JSON: `ExportTraceServiceRequest`. */
export const encodeOtlp: Encode = (spans, service) =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: [attribute('service.name', service)] },
        scopeSpans: [
          {
            scope: { name: 'ambit' },
            spans: spans.map(({ context, name, startedMs, durationMs, isError, tags }) => ({
              traceId: context.traceId,
              spanId: context.spanId,
              ...(context.parentId === undefined ? {} : { parentSpanId: context.parentId }),
              name,
              kind: SERVER,
              startTimeUnixNano: nanos(startedMs),
              endTimeUnixNano: nanos(startedMs + durationMs),
              attributes: tags.map(([key, value]) => attribute(key, value)),
              status: isError ? { code: ERROR } : {},
            })),
          },
        ],
      },
    ],
  })

/** Zipkin's v2 list of spans. */
export const encodeZipkin: Encode = (spans, service) =>
  JSON.stringify(
    spans.map(({ context, name, startedMs, durationMs, isError, tags }) => ({
      traceId: context.traceId,
      id: context.spanId,
      ...(context.parentId === undefined ? {} : { parentId: context.parentId }),
      kind: 'SERVER',
      name,
      timestamp: Math.round(startedMs * 1000),
      duration: Math.max(1, Math.round(durationMs * 1000)),
      localEndpoint: { serviceName: service },
      tags: Object.fromEntries(isError ? [...tags, ['error', 'true']] : tags),
    })),
  )

const SERVER = 2
const ERROR = 2

function attribute(key: string, value: string): object {
  return { key, value: { stringValue: value } }
}

/** A number would lose the last digits; µs are what the clock knows. */
function nanos(ms: number): string {
  return `${Math.round(ms * 1000)}000`
}
