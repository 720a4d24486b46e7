import type { TargetRef } from '#shared/k8s'

/** A policy, as far as it says what it is for. */
export interface Targeting {
  readonly namespace: string
  readonly targetRefs: readonly TargetRef[]
}

/** What one reference stands for; each kind may only be named from where the table of c.4 says. */
export type Target =
  | { readonly kind: 'service' | 'service-entry' | 'gateway'; readonly key: string }
  /** Every waypoint of these classes. */
  | { readonly kind: 'class'; readonly key: string }
  | { readonly kind: 'invalid'; readonly problem: string }

const GATEWAY_GROUP = 'gateway.networking.k8s.io'
const ISTIO_GROUP = 'networking.istio.io'
/** Classes whose Gateways are waypoints of ours. */
export const WAYPOINT_CLASSES: ReadonlySet<string> = new Set(['istio-waypoint', 'ambit-waypoint'])

export function targetOf(ref: TargetRef, { namespace }: Targeting, rootNamespace: string): Target {
  const named = `${ref.group || 'core'}/${ref.kind} ${ref.name}`
  if (ref.namespace !== '' && ref.namespace !== namespace)
    return { kind: 'invalid', problem: `${named} is of another namespace` }
  const key = `${namespace}/${ref.name}`
  if (ref.group === '' && ref.kind === 'Service') return { kind: 'service', key }
  if (ref.group === ISTIO_GROUP && ref.kind === 'ServiceEntry') return { kind: 'service-entry', key }
  if (ref.group === GATEWAY_GROUP && ref.kind === 'Gateway') return { kind: 'gateway', key }
  if (ref.group === GATEWAY_GROUP && ref.kind === 'GatewayClass') {
    if (namespace !== rootNamespace)
      return { kind: 'invalid', problem: `a GatewayClass can only be named from ${rootNamespace}` }
    if (!WAYPOINT_CLASSES.has(ref.name)) return { kind: 'invalid', problem: `${named} is no class of waypoints` }
    return { kind: 'class', key: ref.name }
  }
  return { kind: 'invalid', problem: `${named} cannot be the target of a policy` }
}

/** Under which keys policies are found from what they are for. */
export function targetKey(target: Exclude<Target, { kind: 'invalid' }>): string {
  return `${target.kind} ${target.key}`
}
