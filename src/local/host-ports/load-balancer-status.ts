import type { ServiceRecord } from '../services/index.ts'
import { isLoadBalanced } from './wanted-ports.ts'

/** How a port of the machine stands for a service. */
export type PortState = 'open' | 'opening' | 'taken' | 'forbidden'

/** `status.loadBalancer.ingress` of core/v1. */
export interface Ingress {
  readonly ip: string
  /** `Proxy`: the address means something only outside, so nobody inside shall take it for the service's. */
  readonly ipMode: 'Proxy'
  readonly ports: readonly { readonly port: number; readonly protocol: string; readonly error?: string }[]
}

const ERRORS: Readonly<Record<Exclude<PortState, 'opening'>, string | undefined>> = {
  open: undefined,
  taken: 'PortTaken',
  forbidden: 'PortForbidden',
}

/**
 * Where a service is reached from the machine: nowhere unless it is a load balancer with at least one open port of its
 * own; ports that are not open say why.
 *
 * @returns undefined while it cannot be said, as a port is being opened
 */
export function ingressOf(
  service: ServiceRecord,
  stateOf: (port: number) => PortState,
): readonly Ingress[] | undefined {
  if (!isLoadBalanced(service)) return []
  const ports: Ingress['ports'][number][] = []
  for (const { port, protocol } of service.ports) {
    const state = protocol === 'TCP' ? stateOf(port) : 'open'
    if (state === 'opening') return undefined
    const error = protocol === 'TCP' ? ERRORS[state] : 'ProtocolNotCarried'
    ports.push(error === undefined ? { port, protocol } : { port, protocol, error })
  }
  const isReached = ports.some((port) => !('error' in port))
  return isReached ? [{ ip: '127.0.0.1', ipMode: 'Proxy', ports }] : []
}
