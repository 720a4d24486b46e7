import type { Metrics } from '#shared/telemetry'

/** `istio_build`: what runs, as a label. */
export function registerBuild(metrics: Metrics, tag: string): void {
  metrics.gauges('istio_build', 'Istio component build info', ['component', 'tag']).with('ztunnel', tag).value = 1
}

/**
 * What of Istio's `tokio_*` has a counterpart in Node: how many loops carry connections, and how long each was busy.
 * Queue depths, tasks and park counts have none and are left out.
 *
 * @param worker differs for each process whose page is added to the same one
 */
export function registerRuntime(metrics: Metrics, worker: string): void {
  metrics.gauge('tokio_num_workers', 'Event loops that carry connections').value = 1
  const busy = metrics
    .counters('tokio_worker_total_busy_duration_seconds', 'Time that an event loop did not wait, seconds', ['worker'])
    .with(worker)
  metrics.onCollect(() => {
    busy.value = performance.eventLoopUtilization().active / 1000
  })
}
