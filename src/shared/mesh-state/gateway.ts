import { type GatewayAddress, type Service, serviceKey, type Workload } from '#shared/model'
import type { MeshView } from './types.ts'

/** What a waypoint or gateway reference leads to: a service in front of several workloads, or one workload. */
export type Gateway =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'workload'; readonly workload: Workload }

/**
 * Follows a reference: by host name whoever may see the service, by address as a client of `clientNamespace` would;
 * in both cases the service first, then the workload. Undefined when nothing is known by that name.
 */
export function findGateway(view: MeshView, gateway: GatewayAddress, clientNamespace: string): Gateway | undefined {
  const to = gateway.destination
  const service =
    to.kind === 'hostname' ? view.serviceByKey(serviceKey(to)) : view.serviceByVip(to.network, to.ip, clientNamespace)
  if (service !== undefined) return { kind: 'service', service }
  const workload =
    to.kind === 'hostname' ? view.workloadByHostname(to.namespace, to.hostname) : view.workloadByIp(to.network, to.ip)
  return workload && { kind: 'workload', workload }
}

/** Whether one of the workloads behind a reference is such a one. */
export function gatewayIncludes(
  view: MeshView,
  gateway: GatewayAddress,
  clientNamespace: string,
  isSuch: (workload: Workload) => boolean,
): boolean {
  const found = findGateway(view, gateway, clientNamespace)
  if (found?.kind === 'workload') return isSuch(found.workload)
  if (found === undefined) return false
  return view.endpoints(serviceKey(found.service)).some((endpoint) => isSuch(endpoint.workload))
}

/** A reference as Istio prints it: `<network>/<ip>` or `<namespace>/<hostname>`. */
export function gatewayName(gateway: GatewayAddress): string {
  const to = gateway.destination
  return to.kind === 'hostname' ? serviceKey(to) : `${to.network}/${to.ip}`
}
