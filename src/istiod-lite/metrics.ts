import type { ObjectSource } from '#shared/k8s'
import type { Metrics } from '#shared/telemetry'
import type { Mesh } from './mesh/index.ts'

/** How much there is, and how much of the input is wrong. */
export function registerMeshMetrics(metrics: Metrics, mesh: Mesh, objects: ObjectSource): void {
  const services = metrics.gauge('pilot_services', 'Services of the mesh')
  const workloads = metrics.gauge('ambit_workloads', 'Workloads of the mesh')
  const policies = metrics.gauge('ambit_authorizations', 'L4 policies, converted ones included')
  const problems = metrics.gauge('ambit_object_problems', 'Problems with objects that could not be read')
  metrics.onCollect(() => {
    services.value = mesh.services.size
    workloads.value = mesh.workloads.size
    policies.value = mesh.authorizations.size
    problems.value = objects.problems.length
  })
}
