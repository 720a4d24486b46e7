import { readdirSync, readFileSync } from 'node:fs'
import type { Metrics } from './metrics.ts'

/** What every program tells about its process: descriptors, memory, processor time. */
export function registerProcessMetrics(metrics: Metrics): void {
  const openFds = metrics.gauge('process_open_fds', 'Number of open file descriptors')
  const maxFds = metrics.gauge('process_max_fds', 'Maximum number of open file descriptors')
  const resident = metrics.gauge('process_resident_memory_bytes', 'Resident memory, bytes')
  const heap = metrics.gauge('nodejs_heap_used_bytes', 'Memory of JavaScript objects, bytes')
  const cpu = metrics.counter('process_cpu_seconds', 'Processor time used, user and system, seconds')
  metrics.gauge('process_start_time_seconds', 'When the process started, seconds since 1970').value =
    Math.round(performance.timeOrigin) / 1000
  metrics.onCollect(() => {
    openFds.value = readdirSync('/proc/self/fd').length
    maxFds.value = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0)
    const memory = process.memoryUsage()
    resident.value = memory.rss
    heap.value = memory.heapUsed
    const { user, system } = process.cpuUsage()
    cpu.value = (user + system) / 1_000_000
  })
}
