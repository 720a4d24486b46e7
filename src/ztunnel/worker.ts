import { Readiness, type RunningProgram } from '#shared/lifecycle'
import { MeshState } from '#shared/mesh-state'
import type { ParentChannel } from '#shared/workers'
import { connectZds } from '#shared/zds'
import { prepareProcess, type ZtunnelParts } from './app.ts'
import type { ZtunnelConfig } from './config.ts'
import { tlsProfile } from './control-plane.ts'
import { makeDataPlane } from './data-plane.ts'
import { keepHeapTrimmed } from './memory.ts'
import { registerRuntime } from './metrics.ts'
import { successorAt, takeEstatesAt } from './succession/index.ts'
import { heirPathOf, type ToSupervisor, type ToWorker, WorkerLink } from './workers/index.ts'

/** One of several processes that carry the pods of a node: pods, mesh and certificates come from its supervisor. */
export async function startWorker(
  config: ZtunnelConfig,
  zdsPath: string,
  channel: ParentChannel<ToWorker, ToSupervisor>,
  parts: ZtunnelParts,
): Promise<RunningProgram> {
  const { clock, log, metrics, control } = parts
  await prepareProcess(parts)
  registerRuntime(metrics, String(process.pid))
  const readiness = new Readiness()
  const state = new MeshState({ clock, nodeName: config.nodeName })
  let nextHeirPath: string | undefined
  const link: WorkerLink = new WorkerLink({
    channel,
    clock,
    tlsProfile: tlsProfile(config),
    state,
    onLogFilter: (filter) => {
      log.filter.reset()
      log.filter.add(filter)
    },
    onDrain: (heirPath) => {
      nextHeirPath = heirPath
      control.stop({ reason: 'the tunnel ends', exitCode: 0 })
    },
    report: () => ({
      pods: [...pods.pods()],
      connections: connections.list().map(({ record }) => {
        const { podUid, direction, source, originalDestination, actualDestination, protocol } = record
        return { podUid, record: { direction, source, originalDestination, actualDestination, protocol } }
      }),
      denials: verdicts.recent,
      metrics: metrics.print(),
    }),
  })
  const plane = makeDataPlane(config, {
    ...parts,
    readiness,
    state,
    certificateOf: link.certificateOf,
    askFor: config.xdsOnDemand ? link.askFor : undefined,
  })
  const { pods, connections, verdicts } = plane
  const successionLog = log.logger('succession')
  const heir = takeEstatesAt(heirPathOf(zdsPath), successionLog, plane.inherit)
  readiness.onChanged(() => channel.send({ kind: 'ready', isReady: readiness.isReady }))
  channel.onMessage(link.take)
  channel.onEnd(() => control.stop({ reason: 'the supervisor is gone', exitCode: 0 }))

  let zds: ReturnType<typeof connectZds> | undefined
  let isStopping = false
  void link.synced.then(() => {
    if (isStopping) return
    zds = connectZds({
      path: zdsPath,
      handler: pods,
      clock,
      logger: log.logger('zds'),
      onProtocolError: (error) => control.stop({ reason: error.message, exitCode: 1 }),
    })
  })
  const trims = keepHeapTrimmed(clock)

  return {
    async drain(order) {
      isStopping = true
      await Promise.all([zds?.close(), heir.close()])
      const successor = nextHeirPath === undefined ? undefined : successorAt(nextHeirPath, clock, successionLog)
      await plane.drain(order, successor)
      await successor?.close()
    },
    async close() {
      plane.close()
      await trims.close()
    },
  }
}
