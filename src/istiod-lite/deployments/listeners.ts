import type { Gateway, GatewayListener } from '#shared/k8s'
import type { Controller } from './classes.ts'

/** A listener, and whether there can be one like it. */
export interface ListenerVerdict {
  readonly name: string
  readonly port: number
  readonly verdict: { readonly kind: 'accepted' } | Refusal
}

interface Refusal {
  readonly kind: 'refused'
  readonly reason: 'UnsupportedProtocol'
  readonly problem: string
}

const HBONE_PORT = 15_008

/** @see istio-control-plane c.1 */
export function checkListeners({ spec }: Gateway, controller: Controller): readonly ListenerVerdict[] {
  return spec.listeners.map((listener) => ({
    name: listener.name,
    port: listener.port,
    verdict: refusalOf(listener, controller) ?? { kind: 'accepted' },
  }))
}

/** A waypoint has one listener, for tunnels; where another network's gateway listens is that network's business. */
function refusalOf({ protocol, port }: GatewayListener, controller: Controller): Refusal | undefined {
  if (controller === 'remote' || (protocol === 'HBONE' && port === HBONE_PORT)) return undefined
  const problem = `a waypoint listens with protocol HBONE on port ${HBONE_PORT} only, not with ${protocol} on ${port}`
  return { kind: 'refused', reason: 'UnsupportedProtocol', problem }
}
