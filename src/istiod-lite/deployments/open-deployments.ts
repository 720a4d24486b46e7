import type { Clock } from '#shared/clock'
import type { ObjectProblem, ObjectSource } from '#shared/k8s'
import { type KubeClient, watchApi } from '#shared/kube-client'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import type { Graph, Singleton } from '../collections/index.ts'
import type { Leadership } from '../leadership/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import type { StatusPen } from '../status/index.ts'
import type { WaypointSettings } from './objects.ts'
import { collectParameters, MADE_KINDS } from './sources.ts'
import { WaypointDeployments, type WaypointDeploymentsParts } from './waypoint-deployments.ts'
import { wireDeployments } from './wire-deployments.ts'

export interface DeploymentsParts {
  readonly graph: Graph
  readonly objects: ObjectSource
  readonly collections: ObjectCollections
  readonly network: Singleton<string>
  readonly settings: WaypointSettings
  /** Follows what is there. */
  readonly client: KubeClient
  /** Its calls end while the lease is still ours. */
  readonly writer: WaypointDeploymentsParts['client']
  readonly leadership: Leadership
  /** Opened for `GATEWAY_TOPIC`. */
  readonly pen: StatusPen
  readonly clock: Clock
  readonly logger: Logger
}

export interface Deployments extends Closer {
  /** Of what only this room follows. */
  readonly problems: readonly ObjectProblem[]
}

/** Follows what only this room needs, which holds up nobody else if it cannot be followed, and begins once that is whole. */
export function openDeployments(parts: DeploymentsParts): Deployments {
  const { graph, objects, collections, network, settings, client, writer, leadership, pen, clock, logger } = parts
  const made = watchApi(client, MADE_KINDS, { clock, logger })
  const { maps, end } = collectParameters(graph, made)
  const wired = wireDeployments(graph, collections, maps, network, settings)
  const { gatewayClasses } = collections
  const sources = { mesh: objects, made }
  const deployments = new WaypointDeployments({
    wired,
    gatewayClasses,
    sources,
    client: writer,
    leadership,
    pen,
    clock,
    logger,
  })
  let isClosed = false
  void Promise.all([objects.synced, made.synced]).then(() => {
    if (!isClosed) deployments.start()
  })
  return {
    get problems() {
      return made.problems
    },
    close: async () => {
      isClosed = true
      await deployments.close()
      end()
      await made.close()
    },
  }
}
