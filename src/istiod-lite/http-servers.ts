import { type AdminRoutes, AdminServer, metricsRoutes, only, textRoute } from '#shared/admin'
import { AMBIT_VERSION } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'
import type { Readiness } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import type { IstiodConfig } from './config.ts'

/**
 * Opens the port of readiness, and the one of metrics, version and dumps.
 *
 * @throws MeshError `CONFIG_INVALID` when a port cannot be used
 */
export async function openHttpServers(
  { httpPort, monitoringPort, monitoringBind, isIpv6Enabled }: IstiodConfig,
  dumps: AdminRoutes,
  parts: { readonly readiness: Readiness; readonly metrics: Metrics; readonly log: Logger },
): Promise<{ readonly readiness: AdminServer; readonly monitoring: AdminServer }> {
  const { log } = parts
  const routes = readyRoutes(parts.readiness)
  const readiness = await listening('AMBIT_HTTP_PORT', () =>
    AdminServer.listen({ name: 'readiness', port: httpPort, bind: 'all', isIpv6Enabled, routes, log }),
  )
  const pages = { ...metricsRoutes(parts.metrics), ...versionRoute(), ...dumps }
  try {
    const monitoring = await listening('AMBIT_MONITORING_PORT', () =>
      AdminServer.listen({
        name: 'monitoring',
        port: monitoringPort,
        bind: monitoringBind,
        isIpv6Enabled,
        routes: pages,
        log,
      }),
    )
    return { readiness, monitoring }
  } catch (error) {
    await readiness.close()
    throw error
  }
}

/** @throws MeshError `CONFIG_INVALID` that names the setting */
export async function listening<T>(name: string, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `${name}: ${reasonOf(cause)}; choose another port, 0 = any`, { cause })
  }
}

/** istiod's own path; 503 while something is missing, so that nobody is sent here. */
function readyRoutes(readiness: Readiness): AdminRoutes {
  return {
    '/ready': only('GET', 'method not allowed\n', () =>
      readiness.isReady
        ? { status: 200, body: 'ready\n' }
        : { status: 503, body: `not ready, pending: ${readiness.pending.join(', ')}\n` },
    ),
  }
}

/** For istioctl: version, revision of the source, state of the build. */
function versionRoute(): AdminRoutes {
  const route = textRoute('text/plain; charset=utf-8', () => `${AMBIT_VERSION}-ambit-release`)
  // istioctl asks with two slashes.
  return { '/version': route, '//version': route }
}
