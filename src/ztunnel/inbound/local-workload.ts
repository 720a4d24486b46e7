import type { MeshView } from '#shared/mesh-state'
import type { Workload } from '#shared/model'
import type { WorkloadInfo } from '#shared/zds'

/** How long a pod's own workload may take to arrive from the control plane. */
const TIMEOUT_MS = 5000

/** The workload of a pod of this node; the text of a log line when it is not known in time. */
export async function localWorkload(view: MeshView, info: WorkloadInfo): Promise<Workload | string> {
  const workload = view.localWorkload(info) ?? (await view.waitForLocalWorkload(info, TIMEOUT_MS))
  if (workload !== undefined) return workload
  return `failed to fetch information about local workload: ${info.serviceAccount}.${info.namespace} (${info.name})`
}
