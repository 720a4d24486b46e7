import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer, Drainable, DrainOrder } from '#shared/lifecycle'
import type { Workload } from '#shared/model'
import type { LineOutput, Log, Metrics } from '#shared/telemetry'
import { Authenticator, documentFetcher } from './authn/index.ts'
import { Authorizer } from './authz/index.ts'
import { type Balancer, createBalancer } from './balance/index.ts'
import { serveBytes } from './byte-connections.ts'
import { DEFAULT_HTTP1, Deadlines, serveHttp1, serveHttp2 } from './codec/index.ts'
import type { WaypointConfig } from './config.ts'
import { type ExchangeParts, serveExchange } from './exchange-stages.ts'
import { Filters } from './filters/index.ts'
import type { ConnectionOwner, InnerConnection } from './listen/index.ts'
import { authenticationCounters, authorizationCounters } from './metrics.ts'
import { Reporter, type TracingSettings } from './reporting/index.ts'
import { Attempts } from './resilience/index.ts'
import { Router } from './route/index.ts'
import { sendMirror } from './send-mirror.ts'
import type { WaypointView } from './state/index.ts'
import { createUpstream, type Upstream, type UpstreamSettings } from './upstream/index.ts'

export interface ProxyingParts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly view: WaypointView
  readonly config: WaypointConfig
  /** Where access lines go. */
  readonly lines: LineOutput
  /** This waypoint's own workload. */
  readonly self: () => Workload | undefined
  readonly endpoints: Omit<UpstreamSettings, 'clock' | 'mesh' | 'self' | 'deadlines' | 'http1'>
}

/** Everything between a client's connection and an endpoint's. */
export interface Proxying extends ConnectionOwner, Drainable, Closer {
  readonly balancer: Balancer
  readonly upstream: Upstream
}

/** Makes the rooms between once and binds them. */
export function makeProxying(parts: ProxyingParts): Proxying {
  const { clock, log, metrics, view, config, self, endpoints } = parts
  const deadlines = new Deadlines(clock)
  const http1 = {
    ...DEFAULT_HTTP1,
    maxHeadBytes: config.maxHeaderBytes,
    maxFields: config.maxHeaderFields,
    headTimeoutMs: config.headerTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
  }
  const balancer = createBalancer({ view, clock, self })
  const upstream = createUpstream({
    ...endpoints,
    clock,
    mesh: view.mesh,
    self,
    deadlines,
    http1,
  })
  const reporter = new Reporter({
    clock,
    metrics,
    profile: config.metricsProfile,
    logger: log.logger('reporting'),
    accessLog: { output: parts.lines, format: config.accessLog },
    tracing: tracingOf(config),
    environment: process.env,
    telemetryOf: (service) => view.telemetry(service),
    sourceOf: ({ connection }) => view.mesh.workloadByIp(view.network, connection.source.ip),
  })
  const authorizer = new Authorizer({
    view,
    trustedProxies: config.trustedProxies,
    counters: authorizationCounters(metrics),
    onNotes: (_of, { audited, wouldDeny, wouldAllow }) =>
      log.logger('rbac').info('policies that are only told of', {
        audited: nameOf(audited),
        would_deny: nameOf(wouldDeny),
        would_allow: typeof wouldAllow === 'string' ? wouldAllow : nameOf(wouldAllow),
      }),
  })
  const router = new Router(view, () => clock.random())
  const setTimer = (ms: number, fire: () => void): { cancel(): void } => clock.setTimer(ms, fire)
  const exchanges: ExchangeParts = {
    pathNormalization: config.pathNormalization,
    authenticator: new Authenticator({
      view,
      clock,
      fetchDocument: documentFetcher(clock),
      counters: authenticationCounters(metrics),
      onKeysUnavailable: (error) => log.logger('jwt').warn('keys cannot be fetched', { reason: error.message }),
    }),
    authorizer,
    router,
    filters: new Filters({
      clock,
      sendMirror: (to, request, lengthBytes) => sendMirror(to, request, lengthBytes, { balancer, upstream, setTimer }),
    }),
    attempts: new Attempts({
      maxKeptBytes: config.retryBufferBytes,
      clock,
      balancer,
      sendOnce: (to, request, lengthBytes, cancellation) => upstream.send(to, request, lengthBytes, cancellation),
    }),
    reporter,
    onBug: (error) => log.logger('app').error('a request was cut by an error of ours', { reason: reasonOf(error) }),
  }
  const refused = log.logger('codec')
  const onExchange = (exchange: Parameters<typeof serveExchange>[0]): void => serveExchange(exchange, exchanges)
  return {
    balancer,
    upstream,
    serve(connection: InnerConnection): Drainable {
      switch (connection.protocol) {
        case 'http1':
          return serveHttp1(connection, {
            clock,
            deadlines,
            bounds: http1,
            onExchange,
            onRefused: (status, reason) =>
              refused.info('a request was refused', { status, reason, peer: connection.peer }),
            onClosed: () => {},
          })
        case 'http2':
          return serveHttp2(connection, { clock, onExchange })
        case 'tcp':
          return serveBytes(connection, { clock, view, authorizer, router, balancer, upstream, reporter })
      }
    },
    async drain(order: DrainOrder) {
      await upstream.drain(order)
      await reporter.flush()
    },
    async close() {
      balancer.close()
      await upstream.close()
    },
  }
}

function tracingOf({
  tracing,
  tracingUrl = '',
  tracingSamplingPercent,
  workloadName,
  podNamespace,
}: WaypointConfig): TracingSettings {
  if (tracing === 'off') return { kind: 'off' }
  return {
    kind: tracing,
    url: new URL(tracingUrl),
    samplingPercent: tracingSamplingPercent,
    service: `${workloadName}.${podNamespace}`,
  }
}

function nameOf(
  rule: { readonly namespace: string; readonly name: string; readonly rule: number } | undefined,
): string | undefined {
  return rule && `${rule.namespace}/${rule.name}[${rule.rule}]`
}
