import type { GatewayClass } from '#shared/k8s'
import type { ApiDocument, ApiResource } from '#shared/kube-client'

/** What is done about Gateways of a class: waypoints are run for them, or they are run elsewhere. */
export type Controller = 'waypoint' | 'remote'

export const GATEWAY_CLASS: ApiResource = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  resource: 'gatewayclasses',
  namespaced: false,
}

interface BuiltInClass {
  readonly name: string
  readonly controllerName: string
  readonly controller: Controller
  readonly description: string
}

/** Those that are made when they are missing; `ambit-waypoint` is passed over by an istiod in the same cluster. */
export const BUILT_IN_CLASSES: readonly BuiltInClass[] = [
  {
    name: 'istio-waypoint',
    controllerName: 'istio.io/mesh-controller',
    controller: 'waypoint',
    description: 'Waypoints of the mesh',
  },
  {
    name: 'ambit-waypoint',
    controllerName: 'ambit.dev/mesh-controller',
    controller: 'waypoint',
    description: 'Waypoints of the mesh, by Ambit only',
  },
  {
    name: 'istio-remote',
    controllerName: 'istio.io/unmanaged-gateway',
    controller: 'remote',
    description: 'Gateways of other networks, run elsewhere',
  },
]

/** Undefined for the classes of others. A class that is not there yet is known by its name. */
export function controllerOf(name: string, object: GatewayClass | undefined): Controller | undefined {
  const known = BUILT_IN_CLASSES.find((each) =>
    object === undefined ? each.name === name : each.controllerName === object.spec.controllerName,
  )
  return known?.controller
}

export function classDocument({ name, controllerName, description }: BuiltInClass): ApiDocument {
  return { metadata: { name }, spec: { controllerName, description } }
}
