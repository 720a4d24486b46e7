import { reasonOf } from '#shared/errors'
import { Readiness, type RunningProgram } from '#shared/lifecycle'
import type { ProgramParts } from '#shared/program'
import { registerProcessMetrics } from '#shared/telemetry'
import { countersOf, mergeMetrics, type ParentChannel, type ReportRequest, WorkerProcess } from '#shared/workers'
import { type AdminParts, openAdminServers } from './admin-servers.ts'
import { makeProxy } from './app.ts'
import type { WaypointConfig } from './config.ts'

/** What supervisor and workers say to each other, besides reports. */
export type ToWorker = { readonly kind: 'drain' } | { readonly kind: 'log filter'; readonly filter: string }
export interface ToSupervisor {
  readonly kind: 'ready'
  readonly isReady: boolean
}

export interface WorkerReport {
  /** OpenMetrics. */
  readonly metrics: string
  /** As `/config_dump` shows it. */
  readonly dump: string
}

type Worker = WorkerProcess<ToWorker, ToSupervisor, WorkerReport>

/** Numbers that say what is, and are the same in every process. */
const STATES: ReadonlySet<string> = new Set(['process_max_fds', 'process_start_time_seconds', 'ambit_xds_connected'])

/**
 * The waypoint as several processes on one port: the kernel spreads connections over them. Each has a control plane
 * connection and a certificate of its own, so that none depends on another; this one starts them again and shows what they do.
 */
export async function startSupervisor(
  config: WaypointConfig,
  { clock, log, metrics, control }: ProgramParts,
  command: { readonly file: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv },
): Promise<RunningProgram> {
  registerProcessMetrics(metrics)
  const readiness = new Readiness()
  const logger = log.logger('workers')
  /** Counters when they were last seen, of processes that are gone. */
  let gone = ''
  const seen = new Map<number, string>()
  const workers = Array.from({ length: config.workerCount }, (_, at): Worker => {
    const number = at + 1
    const task = `worker ${number}`
    readiness.add(task)
    return new WorkerProcess({
      number,
      command,
      clock,
      log: logger,
      onStart: () => {},
      onMessage: ({ isReady }) => (isReady ? readiness.done(task) : readiness.add(task)),
      onDeath: () => {
        readiness.add(task)
        gone = mergeMetrics([gone, countersOf(seen.get(number) ?? '')], () => false)
        seen.delete(number)
      },
    })
  })
  const tell = (message: ToWorker): void => {
    for (const worker of workers) worker.send(message)
  }
  log.filter.onChanged(() => tell({ kind: 'log filter', filter: String(log.filter) }))
  const reports = async (): Promise<readonly WorkerReport[]> => {
    const asked = await Promise.allSettled(workers.map((worker) => worker.report()))
    return asked.flatMap((result, at) => {
      if (result.status === 'fulfilled') {
        seen.set(at + 1, result.value.metrics)
        return [result.value]
      }
      logger.warn('a worker is missing in what is shown', { reason: reasonOf(result.reason) })
      return []
    })
  }
  const admin: AdminParts = {
    clock,
    log,
    readiness,
    metrics: {
      print: async () => {
        const pages = (await reports()).map((report) => report.metrics)
        return mergeMetrics([metrics.print(), gone, ...pages], (name) => STATES.has(name))
      },
    },
    // What they know of the mesh is the same; counts are the first one's.
    dump: async () => (await reports())[0]?.dump ?? '{}',
    quit: () => control.stop({ reason: '/quitquitquit', exitCode: 0 }),
  }
  const servers = await openAdminServers(config, admin)
  log.logger('app').info('started', { gateway: config.gateway, workers: config.workerCount })
  return {
    async drain() {
      readiness.add('drain')
      await Promise.all(workers.map((worker) => worker.drain({ kind: 'drain' })))
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.kill()))
      await Promise.all(servers.map((server) => server.close()))
    },
  }
}

/** One of several processes that serve a waypoint's port. */
export async function startWorker(
  config: WaypointConfig,
  channel: ParentChannel<ToWorker | ReportRequest, unknown>,
  parts: ProgramParts,
): Promise<RunningProgram> {
  const { log, metrics, control } = parts
  const proxy = await makeProxy(config, parts)
  const { readiness } = proxy
  readiness.onChanged(() => channel.send({ kind: 'ready', isReady: readiness.isReady }))
  channel.onMessage((message) => {
    switch (message.kind) {
      case 'drain':
        control.stop({ reason: 'the waypoint ends', exitCode: 0 })
        return
      case 'log filter':
        log.filter.reset()
        log.filter.add(message.filter)
        return
      case 'report':
        channel.send({
          kind: 'report',
          number: message.number,
          report: { metrics: metrics.print(), dump: proxy.dump() } satisfies WorkerReport,
        })
    }
  })
  channel.onEnd(() => control.stop({ reason: 'the supervisor is gone', exitCode: 0 }))
  return proxy
}
