import type { Gateway } from '#shared/k8s'
import {
  type Collection,
  derive,
  type Graph,
  indexBy,
  type Singleton,
  type Source,
  source,
} from '../collections/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import { decideStatus, type GatewayStatus } from './gateway-status.ts'
import type { WaypointSettings } from './objects.ts'
import { defaultsClass, type ParametersMap, readParameters } from './parameters.ts'
import { type GatewayPlan, planGateway, planKey } from './plan.ts'

/** Names of a Gateway's objects that somebody else has taken. */
export interface Obstacle {
  /** Of the Gateway. */
  readonly key: string
  /** `Deployment shop/waypoint`. */
  readonly objects: readonly string[]
}

export interface WiredDeployments {
  /** By the Gateway's `namespace/name`. */
  readonly plans: Collection<GatewayPlan>
  readonly statuses: Collection<GatewayStatus>
  /** Found when the objects are written. */
  readonly obstacles: Source<Obstacle>
}

const SERVICE_NAME = 'kubernetes.io/service-name'

/** What is made for Gateways, and what they are told. */
export function wireDeployments(
  graph: Graph,
  objects: ObjectCollections,
  maps: Collection<ParametersMap>,
  network: Singleton<string>,
  settings: WaypointSettings,
): WiredDeployments {
  const obstacles = source<Obstacle>(graph, 'obstacles of gateways')
  const mapsByClass = indexBy(maps, 'parameters by class', (map) => defaultsClass(map, settings.rootNamespace))
  const slicesByService = indexBy(objects.endpointSlices, 'slices by service', ({ metadata, addressType }) => {
    const name = metadata.labels[SERVICE_NAME]
    return name === undefined || addressType === 'FQDN' ? [] : [`${metadata.namespace}/${name}`]
  })
  const plans = derive<Gateway, GatewayPlan>(graph, {
    name: 'gateway plans',
    from: objects.gateways,
    keyOf: planKey,
    derive: (gateway, fetch) => {
      const { gatewayClassName } = gateway.spec
      const plan = planGateway(gateway, {
        gatewayClass: fetch.one(objects.gatewayClasses, gatewayClassName),
        parameters: () =>
          readParameters(gateway, fetch.by(mapsByClass, gatewayClassName), (key) => fetch.one(maps, key)),
        network: fetch.value(network),
        settings,
      })
      return plan === undefined ? [] : [plan]
    },
  })
  const statuses = derive<GatewayPlan, GatewayStatus>(graph, {
    name: 'gateway statuses',
    from: plans,
    keyOf: ({ key }) => key,
    derive: (plan, fetch) => {
      const status = decideStatus(plan, {
        clusterDomain: settings.clusterDomain,
        serviceOf: (key) => fetch.one(objects.services, key),
        slicesOf: (key) => fetch.by(slicesByService, key),
        inTheWay: fetch.one(obstacles, planKey(plan))?.objects ?? [],
      })
      return status === undefined ? [] : [status]
    },
  })
  return { plans, statuses, obstacles }
}
