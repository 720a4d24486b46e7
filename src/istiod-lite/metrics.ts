import type { Clock } from '#shared/clock'
import { AMBIT_VERSION } from '#shared/control'
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

/** What runs, and since when. */
export function registerProgramMetrics(metrics: Metrics, clock: Clock): void {
  metrics.gauges('pilot_info', 'Version and build', ['version']).with(AMBIT_VERSION).value = 1
  const uptime = metrics.gauge('istiod_uptime_seconds', 'Seconds since the start')
  const startedAtMs = clock.monotonicMs()
  metrics.onCollect(() => {
    uptime.value = (clock.monotonicMs() - startedAtMs) / 1000
  })
}

/** Kinds of which the registry of services is made, by Istio's names for them. */
const REGISTRY: ReadonlyMap<string, string> = new Map([
  ['Pod', 'Pods'],
  ['Service', 'Services'],
  ['EndpointSlice', 'EndpointSlice'],
  ['Node', 'Nodes'],
  ['Namespace', 'Namespaces'],
  ['ServiceAccount', 'ServiceAccounts'],
])
/** What Istio counts a change as. */
const UPDATE_OF: Readonly<Record<string, string>> = { Services: 'svc', EndpointSlice: 'eds', Pods: 'eds' }
const EVENTS = { added: 'add', updated: 'update', deleted: 'delete' } as const

/** Counts changes of objects of these kinds, those that are there at the start included, as long as the source tells. */
export function countObjectEvents(metrics: Metrics, objects: ObjectSource, kinds: readonly string[]): void {
  const registry = metrics.plainCounters('pilot_k8s_reg_events', 'Changes of pods, services and the like', [
    'type',
    'event',
  ])
  const configuration = metrics.plainCounters('pilot_k8s_cfg_events', 'Changes of policies and the like', [
    'type',
    'event',
  ])
  const updates = metrics.plainCounters('pilot_inbound_updates', 'Changes that may lead to a push', ['type'])
  for (const kind of new Set(kinds)) {
    const listed = REGISTRY.get(kind)
    const events = listed === undefined ? configuration : registry
    const update = updates.with((listed === undefined ? undefined : UPDATE_OF[listed]) ?? 'config')
    objects.subscribe(kind, ({ type }) => {
      events.with(listed ?? kind, EVENTS[type]).value++
      update.value++
    })
  }
}
