import { MeshError } from '#shared/errors'
import { CertificateManager, fetchFrom, followRoots } from '#shared/identity'
import { Readiness, type RunningProgram } from '#shared/lifecycle'
import { applyLocalConfig, MeshState } from '#shared/mesh-state'
import { verifyReadTakeover } from '#shared/net'
import type { ProgramParts } from '#shared/program'
import { missingPrivileges, privilegeAdvice, raiseFileLimit } from '#shared/sys'
import { registerProcessMetrics } from '#shared/telemetry'
import { CaClient } from '#shared/xds'
import { configDump } from './admin/index.ts'
import { openAdminServers } from './admin-servers.ts'
import { linkToAgent } from './agent-link.ts'
import type { ZtunnelConfig } from './config.ts'
import { caEndpoint, tlsProfile } from './control-plane.ts'
import { makeDataPlane } from './data-plane.ts'
import { keepHeapTrimmed } from './memory.ts'
import { openMeshSource, readLocalConfig } from './mesh-source.ts'
import { registerBuild, registerRuntime } from './metrics.ts'
import { prefetchCertificates } from './prefetch.ts'
import { shownConfig } from './shown-config.ts'
import { Succession } from './succession/index.ts'
import { versionFacts } from './version.ts'

export type ZtunnelParts = ProgramParts

/** Rights, descriptors, and how sockets are read: the same for a tunnel of one process and for each of several. */
export async function prepareProcess({ log, metrics }: ZtunnelParts): Promise<void> {
  const missing = missingPrivileges()
  if (missing.length > 0) throw new MeshError('PRIVILEGE_MISSING', privilegeAdvice(missing))
  raiseFileLimit()
  log.logger('app').debug('sockets are read by', { way: await verifyReadTakeover() })
  registerProcessMetrics(metrics)
}

/**
 * The tunnel as one process: makes each part once and hands it its inputs.
 *
 * @throws MeshError `PRIVILEGE_MISSING`, `CONFIG_INVALID`
 */
export async function startZtunnel(config: ZtunnelConfig, parts: ZtunnelParts): Promise<RunningProgram> {
  const { clock, log, metrics, control } = parts
  const logger = log.logger('app')
  await prepareProcess(parts)
  registerBuild(metrics, config.istioVersion)
  registerRuntime(metrics, '0')
  const readiness = new Readiness()
  readiness.add('proxy')
  if (config.isDnsCaptured) readiness.add('dns proxy')
  readiness.add('state manager')

  const state = new MeshState({ clock, nodeName: config.nodeName })
  const local = readLocalConfig(config)
  if (local !== undefined) applyLocalConfig(state, local)

  const ca = new CaClient(caEndpoint(config), clock)
  const certificates = new CertificateManager({
    fetch: fetchFrom(ca, Math.ceil(config.secretTtlMs / 1000), clock, tlsProfile(config)),
    clock,
    log: log.logger('identity'),
  })
  prefetchCertificates(state, certificates, config.nodeName)
  const roots = followRoots(caEndpoint(config), certificates, parts)

  const source = openMeshSource(config, state, parts)
  const plane = makeDataPlane(config, {
    ...parts,
    readiness,
    state,
    certificateOf: (id) => certificates.certificate(id),
    askFor: source.askFor,
  })
  const { pods, connections, verdicts } = plane
  const { inpodUds } = config
  const succession = new Succession({ inpodUds, clock, log: log.logger('succession'), take: plane.inherit })
  void readiness.whenReady().then(() => succession.begin())
  const servers = await openAdminServers(config, {
    clock,
    log,
    readiness,
    metrics,
    quit: () => control.stop({ reason: '/quitquitquit', exitCode: 0 }),
    dump: () =>
      configDump({
        view: state,
        staticConfig: local ?? { workloads: [], services: [], policies: [] },
        certificates: () => certificates.list(),
        pods: () => pods.pods(),
        connections,
        denials: () => verdicts.recent,
        version: versionFacts(config.istioVersion),
        config: shownConfig(config),
      }),
  })

  const agent = linkToAgent(config, parts, {
    synced: source.synced,
    onSynced: () => readiness.done('state manager'),
    handler: pods,
  })
  readiness.done('proxy')
  readiness.done('dns proxy')
  const trims = keepHeapTrimmed(clock)
  logger.info('started', { node: config.nodeName, control_plane: config.xdsAddress ?? 'none' })

  return {
    async drain(order) {
      agent.refuse()
      await Promise.all(servers.map((server) => server.close()))
      await agent.close()
      const successor = await succession.end()
      await plane.drain(order, successor)
      await successor?.close()
    },
    async close() {
      plane.close()
      await Promise.all([
        succession.close(),
        source.close(),
        roots.close(),
        certificates.close(),
        ca.close(),
        trims.close(),
      ])
    },
  }
}
