import {
  AdminServer,
  indexRoute,
  loggingRoute,
  metricsRoutes,
  quitRoute,
  readinessRoutes,
  textRoute,
} from '#shared/admin'
import type { Readiness } from '#shared/lifecycle'
import type { Log } from '#shared/telemetry'
import type { ZtunnelConfig } from './config.ts'

export interface AdminParts {
  readonly log: Log
  readonly readiness: Readiness
  /** The body of `/config_dump`. */
  readonly dump: () => string | Promise<string>
  /** What 15020 shows. */
  readonly metrics: { print(): string | Promise<string> }
  /** Drains the program as a signal would. */
  readonly quit: () => void
}

/** The three ports of hbone-and-ztunnel h.1: admin on localhost, metrics and readiness for everybody. */
export function openAdminServers(config: ZtunnelConfig, parts: AdminParts): Promise<readonly AdminServer[]> {
  const { isIpv6Enabled } = config
  const { readiness, dump, metrics, quit } = parts
  const log = parts.log.logger('admin')
  const listen = (
    name: string,
    port: number,
    bind: 'localhost' | 'all',
    routes: Parameters<typeof AdminServer.listen>[0]['routes'],
  ): Promise<AdminServer> => AdminServer.listen({ name, port, bind, routes, isIpv6Enabled, log })
  return Promise.all([
    listen('admin', config.adminPort, 'localhost', {
      '/': indexRoute('ztunnel', {
        '/config_dump': 'everything that this tunnel knows',
        '/logging': 'log levels (POST)',
      }),
      '/config_dump': textRoute('application/json', dump),
      '/logging': loggingRoute(parts.log.filter),
      '/quitquitquit': quitRoute(quit),
    }),
    listen('metrics', config.statsPort, 'all', metricsRoutes(metrics)),
    listen('readiness', config.readinessPort, 'all', readinessRoutes(readiness)),
  ])
}
