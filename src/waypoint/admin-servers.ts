import {
  AdminServer,
  indexRoute,
  loggingRoute,
  metricsRoutes,
  Profiles,
  quitRoute,
  readinessRoutes,
  textRoute,
} from '#shared/admin'
import type { Clock } from '#shared/clock'
import type { Closer, Readiness } from '#shared/lifecycle'
import type { Log } from '#shared/telemetry'
import type { WaypointConfig } from './config.ts'

export interface AdminParts {
  readonly clock: Clock
  readonly log: Log
  readonly readiness: Readiness
  /** The body of `/config_dump`. */
  readonly dump: () => string | Promise<string>
  /** What 15020 shows. */
  readonly metrics: { print(): string | Promise<string> }
  /** Drains the program as a signal would. */
  readonly quit: () => void
}

/** Admin on localhost; metrics and readiness for everybody, on the ports that Istio's waypoints have. */
export async function openAdminServers(config: WaypointConfig, parts: AdminParts): Promise<readonly Closer[]> {
  const { isIpv6Enabled } = config
  const { readiness, dump, metrics, quit } = parts
  const profiles = new Profiles(parts.clock)
  const log = parts.log.logger('admin')
  const listen = (
    name: string,
    port: number,
    bind: 'localhost' | 'all',
    routes: Parameters<typeof AdminServer.listen>[0]['routes'],
  ): Promise<AdminServer> => AdminServer.listen({ name, port, bind, routes, isIpv6Enabled, log })
  const servers = await Promise.all([
    listen('admin', config.adminPort, 'localhost', {
      '/': indexRoute('waypoint', {
        '/config_dump': 'everything that this waypoint knows',
        '/logging': 'log levels (POST)',
        '/debug/pprof/profile': 'CPU profile of some seconds, as V8 writes it',
        '/debug/pprof/heap': 'sampling heap profile, as V8 writes it',
      }),
      ...profiles.routes(),
      '/config_dump': textRoute('application/json', dump),
      '/logging': loggingRoute(parts.log.filter),
      '/quitquitquit': quitRoute(quit),
    }),
    listen('metrics', config.statsPort, 'all', metricsRoutes(metrics)),
    listen('readiness', config.readinessPort, 'all', readinessRoutes(readiness)),
  ])
  return [profiles, ...servers]
}
