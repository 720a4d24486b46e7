import { type Service, serviceKey } from './service.ts'
import type { Workload } from './workload.ts'

/** `istio.workload.Address`: what the Address subscription carries, a workload or a service. */
export type MeshAddress =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service }

/** The resource name on the wire: a workload's uid, a service's `<namespace>/<hostname>`. */
export function addressKey(address: MeshAddress): string {
  return address.kind === 'workload' ? address.workload.uid : serviceKey(address.service)
}
