import { type Gateway, type GatewayClass, objectKey } from '#shared/k8s'
import { controllerOf } from './classes.ts'
import { checkListeners, type ListenerVerdict } from './listeners.ts'
import { CONTROLLER_VERSION, type PlannedObject, type WaypointSettings, waypointObjects } from './objects.ts'
import type { Parameters } from './parameters.ts'

/** What is done about a Gateway of our classes. */
export interface GatewayPlan {
  /** Without its status, which changes with what is done. */
  readonly gateway: Pick<Gateway, 'metadata' | 'spec'>
  readonly listeners: readonly ListenerVerdict[]
  readonly decision: GatewayDecision
}

export type GatewayDecision =
  /** These objects are kept; the last one is the service by which it is reached. */
  | { readonly kind: 'managed'; readonly objects: readonly PlannedObject[]; readonly service: string }
  /** Somebody else runs it, behind these services (`namespace/name`). */
  | { readonly kind: 'unmanaged'; readonly services: readonly string[] }
  /** It is another network's. */
  | { readonly kind: 'remote' }
  /** It is wrong: what has been made for it stays as it is. */
  | { readonly kind: 'refused'; readonly reason: 'ListenersNotValid' | 'InvalidParameters'; readonly problem: string }
  /** A newer controller has taken it over. */
  | { readonly kind: 'left'; readonly version: string }

/** What the objects of this controller look like; whoever meets a higher one keeps its hands off (c.1). */
export const VERSION = 5

export interface PlanFacts {
  readonly gatewayClass: GatewayClass | undefined
  readonly parameters: () => Parameters
  /** Of the cluster; empty = none. */
  readonly network: string
  readonly settings: WaypointSettings
}

/** Undefined for Gateways of other classes. */
export function planGateway(gateway: Gateway, facts: PlanFacts): GatewayPlan | undefined {
  const controller = controllerOf(gateway.spec.gatewayClassName, facts.gatewayClass)
  if (controller === undefined) return undefined
  const listeners = checkListeners(gateway, controller)
  const decision = controller === 'remote' ? ({ kind: 'remote' } as const) : decideWaypoint(gateway, listeners, facts)
  return { gateway: { metadata: gateway.metadata, spec: gateway.spec }, listeners, decision }
}

export function planKey({ gateway }: GatewayPlan): string {
  return objectKey(gateway)
}

function decideWaypoint(
  gateway: Gateway,
  listeners: readonly ListenerVerdict[],
  { parameters, network, settings }: PlanFacts,
): GatewayDecision {
  const version = gateway.metadata.annotations[CONTROLLER_VERSION]
  if (version !== undefined && Number(version) > VERSION) return { kind: 'left', version }
  const accepted = gateway.spec.listeners.filter((_, i) => listeners[i]?.verdict.kind === 'accepted')
  if (accepted.length === 0)
    return { kind: 'refused', reason: 'ListenersNotValid', problem: 'no listener has protocol HBONE and port 15008' }
  const elsewhere = foreignServices(gateway, settings)
  if (elsewhere !== undefined) return { kind: 'unmanaged', services: elsewhere }
  const read = parameters()
  if (read.kind === 'invalid') return { kind: 'refused', reason: 'InvalidParameters', problem: read.problem }
  const planned = waypointObjects(gateway, accepted, read.overlays, network, settings)
  if (planned.kind === 'invalid') return { kind: 'refused', reason: 'InvalidParameters', problem: planned.problem }
  return { kind: 'managed', objects: planned.objects, service: planned.service }
}

/**
 * Services that the Gateway names instead of having one made: one address that is a host name, or several addresses.
 * Undefined: it has one made.
 */
function foreignServices(
  { metadata, spec }: Gateway,
  { clusterDomain }: WaypointSettings,
): readonly string[] | undefined {
  const [first, second] = spec.addresses
  if (first === undefined || (second === undefined && first.type !== 'Hostname')) return undefined
  const suffix = `.svc.${clusterDomain}`
  return spec.addresses
    .filter(({ type }) => type === 'Hostname')
    .flatMap(({ value }) => {
      if (!value.includes('.')) return [`${metadata.namespace}/${value}`]
      const [name, namespace, ...rest] = value.endsWith(suffix) ? value.slice(0, -suffix.length).split('.') : []
      return name === undefined || namespace === undefined || rest.length > 0 ? [] : [`${namespace}/${name}`]
    })
}
