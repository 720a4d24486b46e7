import { CertificateManager, fetchFrom, followRoots, type IdentityMaterial } from '#shared/identity'
import { Readiness, type RunningProgram } from '#shared/lifecycle'
import { applyLocalConfig, MeshState } from '#shared/mesh-state'
import { addressKey, type MeshAddress, type SpiffeId } from '#shared/model'
import type { WorkloadCertificate } from '#shared/pki'
import { registerProcessMetrics } from '#shared/telemetry'
import { mergeMetrics } from '#shared/workers'
import { CaClient } from '#shared/xds'
import { configDump } from './admin/index.ts'
import { openAdminServers } from './admin-servers.ts'
import { linkToAgent } from './agent-link.ts'
import type { ZtunnelParts } from './app.ts'
import { newestDenials } from './authz/index.ts'
import type { ZtunnelConfig } from './config.ts'
import { caEndpoint, tlsProfile } from './control-plane.ts'
import { type MeshSink, openMeshSource, readLocalConfig } from './mesh-source.ts'
import { registerBuild } from './metrics.ts'
import { prefetchCertificates } from './prefetch.ts'
import { shownConfig } from './shown-config.ts'
import { Succession } from './succession/index.ts'
import { versionFacts } from './version.ts'
import { PodShards, type ToWorker, toWorkers, WorkerPool, type WorkerReport } from './workers/index.ts'

/** Resources in one message to a worker that is being introduced to the mesh. */
const INTRODUCTION_BATCH = 1_000
/** Numbers that say what is, and are the same in every process. */
const STATES: ReadonlySet<string> = new Set(['istio_build', 'process_max_fds', 'process_start_time_seconds'])

/**
 * The tunnel as several processes: this one talks with control plane, authority, node agent and people; workers carry the
 * pods, each pod in one of them.
 *
 * @param workerCommand the command of one worker
 * @throws MeshError `CONFIG_INVALID`
 */
export async function startSupervisor(
  config: ZtunnelConfig,
  parts: ZtunnelParts,
  workerCommand: (zdsPath: string) => {
    readonly file: string
    readonly args: readonly string[]
    readonly env: NodeJS.ProcessEnv
  },
): Promise<RunningProgram> {
  const { clock, log, metrics, control } = parts
  registerProcessMetrics(metrics)
  registerBuild(metrics, config.istioVersion)
  const readiness = new Readiness()
  readiness.add('proxy')
  if (config.isDnsCaptured) readiness.add('dns proxy')
  readiness.add('state manager')

  const state = new MeshState({ clock, nodeName: config.nodeName })
  const local = readLocalConfig(config)
  if (local !== undefined) applyLocalConfig(state, local)

  const ca = new CaClient(caEndpoint(config), clock)
  // What certificates were made of, as only that can be handed to a worker.
  const materials = new WeakMap<WorkloadCertificate, IdentityMaterial>()
  const certificates = new CertificateManager({
    fetch: fetchFrom(ca, Math.ceil(config.secretTtlMs / 1000), clock, tlsProfile(config), (made, material) =>
      materials.set(made, material),
    ),
    clock,
    log: log.logger('identity'),
  })
  const materialOf = async (id: SpiffeId): Promise<IdentityMaterial> => {
    const material = materials.get(await certificates.certificate(id))
    if (material === undefined) throw new TypeError('a certificate was made without its material')
    return material
  }
  prefetchCertificates(state, certificates, config.nodeName)
  const roots = followRoots(caEndpoint(config), certificates, parts)

  let isSynced = false
  const workers: WorkerPool = new WorkerPool({
    count: config.workerCount,
    command: workerCommand,
    clock,
    log: log.logger('workers'),
    readiness,
    introduction: function* () {
      yield { kind: 'log filter', filter: String(log.filter) }
      yield* introductionTo(state)
      if (isSynced) yield { kind: 'whole' }
    },
    materialOf,
    askFor: async (names) => source.askFor?.(names),
  })
  certificates.onRenewed((certificate) => {
    const material = materials.get(certificate)
    if (material !== undefined) workers.renew(certificate.id, material)
  })
  log.filter.onChanged(() => workers.tell({ kind: 'log filter', filter: String(log.filter) }))

  const sink: MeshSink = {
    applyAddresses: (update) => {
      const rejections = state.applyAddresses(update)
      workers.tell({ kind: 'addresses', update })
      return rejections
    },
    applyAuthorizations: (update) => {
      const rejections = state.applyAuthorizations(update)
      workers.tell({ kind: 'authorizations', update })
      return rejections
    },
  }
  const source = openMeshSource(config, sink, parts)
  const pods = new PodShards({ shards: workers.shards, readiness, log: log.logger('pods') })
  const succession = new Succession({
    inpodUds: config.inpodUds,
    clock,
    log: log.logger('succession'),
    take: toWorkers((uid) => pods.shardOf(uid)?.heirPath, clock, log.logger('succession')),
  })
  void readiness.whenReady().then(() => succession.begin())
  const servers = await openAdminServers(config, {
    clock,
    log,
    readiness,
    metrics: {
      print: async () => mergeMetrics([metrics.print(), ...(await workers.metrics())], (name) => STATES.has(name)),
    },
    quit: () => control.stop({ reason: '/quitquitquit', exitCode: 0 }),
    dump: async () => {
      const reports = await workers.reports()
      return configDump({
        view: state,
        staticConfig: local ?? { workloads: [], services: [], policies: [] },
        certificates: () => certificates.list(),
        pods: () => reports.flatMap((report) => report.pods),
        connections: connectionsOf(reports),
        denials: () => newestDenials(reports.flatMap(({ denials }) => denials)),
        version: versionFacts(config.istioVersion),
        config: shownConfig(config),
      })
    },
  })

  const agent = linkToAgent(config, parts, {
    synced: source.synced,
    onSynced: () => {
      isSynced = true
      workers.tell({ kind: 'whole' })
      readiness.done('state manager')
    },
    handler: pods,
  })
  readiness.done('proxy')
  readiness.done('dns proxy')
  const logger = log.logger('app')
  logger.info('started', {
    node: config.nodeName,
    control_plane: config.xdsAddress ?? 'none',
    workers: config.workerCount,
  })

  return {
    async drain() {
      agent.refuse()
      await Promise.all(servers.map((server) => server.close()))
      await agent.close()
      const successor = await succession.end()
      await successor?.close() // workers find their own way to it
      await workers.drain(successor?.path)
    },
    async close() {
      await Promise.all([
        succession.close(),
        roots.close(),
        source.close(),
        certificates.close(),
        ca.close(),
        workers.close(),
        pods.close(),
      ])
    },
  }
}

/** All that the mesh is known to be, in messages of a bounded length. */
function* introductionTo(state: MeshState): Iterable<ToWorker> {
  const addresses: MeshAddress[] = [
    ...[...state.services()].map((service): MeshAddress => ({ kind: 'service', service })),
    ...[...state.workloads()].map((workload): MeshAddress => ({ kind: 'workload', workload })),
  ]
  for (let at = 0; at < addresses.length; at += INTRODUCTION_BATCH) {
    const changed = addresses
      .slice(at, at + INTRODUCTION_BATCH)
      .map((resource) => ({ name: addressKey(resource), version: '', resource }))
    yield { kind: 'addresses', update: { changed, removed: [] } }
  }
  const policies = [...state.policies()].map(([name, resource]) => ({ name, version: '', resource }))
  if (policies.length > 0) yield { kind: 'authorizations', update: { changed: policies, removed: [] } }
}

function connectionsOf(reports: readonly WorkerReport[]): Parameters<typeof configDump>[0]['connections'] {
  const byPod = Map.groupBy(
    reports.flatMap(({ connections }) => connections),
    ({ podUid }) => podUid,
  )
  return { ofPod: (uid) => byPod.get(uid) ?? [] }
}
