import { MeshError } from '#shared/errors'
import type { Readiness } from '#shared/lifecycle'
import { type LogFilter, METRICS_CONTENT_TYPE } from '#shared/telemetry'
import { type AdminAnswer, type AdminRoute, type AdminRoutes, isListed, only } from './admin-server.ts'

/** 15020: the metrics under both of Istio's names; the body is OpenMetrics whatever is asked for. */
export function metricsRoutes(metrics: { print(): string | Promise<string> }): AdminRoutes {
  const route = only('GET', 'method not allowed\n', async ({ accept }) => ({
    status: 200,
    contentType: isListed(accept, 'application/openmetrics-text') ? METRICS_CONTENT_TYPE : 'text/plain; charset=utf-8',
    body: await metrics.print(),
    isCompressible: true,
  }))
  return { '/metrics': route, '/stats/prometheus': route }
}

/** 15021: 200 `ready`, or 500 with what is missing. */
export function readinessRoutes(readiness: Readiness): AdminRoutes {
  return {
    '/healthz/ready': only('GET', 'method not allowed\n', () =>
      readiness.isReady
        ? { status: 200, body: 'ready\n' }
        : { status: 500, body: `not ready, pending: ${readiness.pending.join(', ')}\n` },
    ),
  }
}

const LOGGING_USAGE = `usage: POST /logging                       (to list the current level)
usage: POST /logging?level=<level>         (to change the level of everything)
usage: POST /logging?level=<scope>=<level> (to change the level of one scope; a comma list is taken)
usage: POST /logging?reset                 (to go back to the level of the start; may stand before level=)
levels: off|error|warn|info|debug|trace
`

/** `POST /logging?level=…&reset`: adds to the filter and tells the outcome. */
export function loggingRoute(filter: LogFilter): AdminRoute {
  return only('POST', LOGGING_USAGE, ({ query }): AdminAnswer => {
    if ([...query.keys()].some((key) => key !== 'level' && key !== 'reset')) return { status: 400, body: LOGGING_USAGE }
    const level = query.get('level')
    try {
      if (query.has('reset')) filter.reset()
      if (level !== null) filter.add(level)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      return { status: 400, body: `${error.message}\n${LOGGING_USAGE}` }
    }
    return { status: 200, body: `current log level is ${filter}\n` }
  })
}

/** `POST /quitquitquit`: drains the program as a signal would. */
export function quitRoute(quit: () => void): AdminRoute {
  return only('POST', 'method not allowed\n', () => {
    quit()
    return { status: 200, body: 'shutdown now\n' }
  })
}

/** A JSON document, indented, with the keys of every object sorted. */
export function jsonRoute(dump: () => unknown): AdminRoute {
  return only('GET', 'method not allowed\n', () => jsonAnswer(dump()))
}

/** The same, as an answer; undefined is `null`. */
export function jsonAnswer(document: unknown): AdminAnswer {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(document ?? null, sortKeys, 2) }
}

/** A document that is made for each request. */
export function textRoute(contentType: string, body: () => string | Promise<string>): AdminRoute {
  return only('GET', 'method not allowed\n', async () => ({ status: 200, contentType, body: await body() }))
}

/** A page that lists the other routes of its server. */
export function indexRoute(title: string, routes: Readonly<Record<string, string>>): AdminRoute {
  const rows = Object.entries(routes).map(([path, doc]) => `<li><a href="${path}">${path}</a>: ${doc}</li>`)
  const body = `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><ul>${rows.join('')}</ul>\n`
  return only('GET', 'method not allowed\n', () => ({ status: 200, contentType: 'text/html; charset=utf-8', body }))
}

function sortKeys(_key: string, value: unknown): unknown {
  if (value instanceof Map) return sortKeys('', Object.fromEntries(value))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
