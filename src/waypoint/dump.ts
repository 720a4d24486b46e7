import type { IdentityStatus } from '#shared/identity'
import type { WaypointConfig } from './config.ts'
import type { Proxying } from './proxying.ts'
import type { WaypointState } from './state/index.ts'

/** Everything that a waypoint knows, secrets left out. */
export function configDump(known: {
  readonly config: WaypointConfig
  readonly state: WaypointState
  readonly certificates: readonly IdentityStatus[]
  readonly proxying: Proxying
}): string {
  const { config, state, certificates, proxying } = known
  const { authToken, ...shown } = config
  return JSON.stringify(
    {
      config: { ...shown, authToken: authToken === undefined ? undefined : '<set>' },
      certificates: certificates.map(({ identity, state: is, certificate }) => ({
        identity,
        state: is,
        expiresAt: certificate === undefined ? undefined : new Date(certificate.leaf.notAfterMs).toISOString(),
      })),
      clusters: proxying.balancer.dump(),
      pools: proxying.upstream.dump(),
      services: [...state.mesh.services()].length,
      workloads: [...state.mesh.workloads()].length,
    },
    undefined,
    2,
  )
}
