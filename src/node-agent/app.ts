import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  AdminServer,
  indexRoute,
  jsonRoute,
  loggingRoute,
  metricsRoutes,
  quitRoute,
  readinessRoutes,
} from '#shared/admin'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { type Closer, Readiness, type RunningProgram } from '#shared/lifecycle'
import type { ProgramParts } from '#shared/program'
import { missingPrivileges, privilegeAdvice, raiseFileLimit } from '#shared/sys'
import { type Logger, registerProcessMetrics } from '#shared/telemetry'
import { type NetnsSource, type NodeAgentConfig, netnsSourceOf, originOf } from './config.ts'
import { Handover } from './handover/index.ts'
import { PodMarks } from './marks/index.ts'
import { byAddress, byCgroup, FolderResolver, type NetnsResolver, ProcessResolver } from './netns/index.ts'
import { openObjects, PodWatch } from './pods/index.ts'

/** The readiness task: pods are known, each was looked at, and tunnels may connect. */
const READINESS_TASK = 'pods of this node'

/** What comes from outside. */
export type NodeAgentContext = ProgramParts

/**
 * Builds the node agent and starts it.
 * @throws MeshError `PRIVILEGE_MISSING` with what to do; `SYSCALL_FAILED` when the socket or a port is taken
 */
export async function startNodeAgent(config: NodeAgentConfig, context: NodeAgentContext): Promise<RunningProgram> {
  const { clock, log, metrics, control } = context
  const missing = missingPrivileges()
  if (missing.length > 0) throw new MeshError('PRIVILEGE_MISSING', privilegeAdvice(missing))
  // Two descriptors for each pod.
  raiseFileLimit()
  registerProcessMetrics(metrics)

  const parts: Closer[] = []
  const close = async (): Promise<void> => {
    for (const part of parts.splice(0).reverse()) await part.close()
  }
  try {
    const readiness = new Readiness()
    readiness.add(READINESS_TASK)
    const { nodeName } = config
    const { objects, client } = await openObjects(originOf(config), nodeName, { clock, logger: log.logger('kube') })
    if (client !== undefined) parts.push(client)
    parts.push(objects)
    const marks = client && new PodMarks({ objects, client, clock, logger: log.logger('marks') })
    if (marks !== undefined) parts.push(marks)
    const resolver = openResolver(netnsSourceOf(config), { clock, logger: log.logger('netns') })
    parts.push(resolver)
    mkdirSync(dirname(config.inpodUds), { recursive: true })
    const handover = new Handover({
      socketPath: config.inpodUds,
      resolver,
      clock,
      logger: log.logger('handover'),
      metrics,
      verifyIntervalMs: config.verifyIntervalMs,
      netnsTimeoutMs: config.netnsTimeoutMs,
      onMark: (uid, mark) => marks?.set(uid, mark),
    })
    parts.push(handover)
    parts.push(
      new PodWatch(objects, enrolmentOf(config), (plan) => handover.plan(plan)),
      ...(await listen(config, context, readiness, handover)),
    )
    void objects.synced
      .then(() => handover.open())
      .then(() => {
        readiness.done(READINESS_TASK)
        log.logger('app').info('node agent is ready', { node: nodeName, pods: handover.pods.length })
      })
      .catch((error: unknown) => {
        control.stop({ reason: reasonOf(error), exitCode: 1 })
      })
  } catch (error) {
    await close()
    throw error
  }
  // Nothing of this program outlives a connection, so there is nothing to wait for.
  return { drain: async () => {}, close }
}

function openResolver(source: NetnsSource, parts: { readonly clock: Clock; readonly logger: Logger }): NetnsResolver {
  if (source.kind === 'folder') return new FolderResolver(source.dir, parts.clock, parts.logger)
  const way = source.kind === 'address' ? byAddress : byCgroup
  return new ProcessResolver({ procDir: source.procDir, way, ...parts })
}

async function listen(
  config: NodeAgentConfig,
  { log, metrics, control }: NodeAgentContext,
  readiness: Readiness,
  handover: Handover,
): Promise<Closer[]> {
  const isIpv6Enabled = config.isIpv6Enabled
  const health = await AdminServer.listen({
    name: 'health',
    port: config.healthPort,
    bind: 'all',
    isIpv6Enabled,
    routes: { ...readinessRoutes(readiness), ...metricsRoutes(metrics) },
    log: log.logger('admin'),
  })
  const routes = {
    '/pods': jsonRoute(() => ({ tunnels: handover.tunnelCount, pods: handover.pods })),
    '/config': jsonRoute(() => config),
    '/logging': loggingRoute(log.filter),
    '/quitquitquit': quitRoute(() => control.stop({ reason: 'asked by /quitquitquit', exitCode: 0 })),
  }
  const index = indexRoute('node agent', {
    '/pods': 'pods that belong to the mesh, and how far they are captured',
    '/config': 'settings',
    '/logging': 'log levels',
    '/quitquitquit': 'ends the agent; captured pods stay captured',
  })
  try {
    const admin = await AdminServer.listen({
      name: 'admin',
      port: config.adminPort,
      bind: 'localhost',
      isIpv6Enabled,
      routes: { '/': index, ...routes },
      log: log.logger('admin'),
    })
    return [health, admin]
  } catch (error) {
    await health.close()
    throw error
  }
}

function enrolmentOf({ nodeName, excludedNamespaces, isDnsCaptured }: NodeAgentConfig) {
  const names = excludedNamespaces.split(',').map((name) => name.trim())
  return { nodeName, excludedNamespaces: new Set(names.filter((name) => name !== '')), isDnsCaptured }
}
