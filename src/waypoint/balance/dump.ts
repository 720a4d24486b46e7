import { formatConnectTarget } from '#shared/hbone'
import type { Seat } from './seat.ts'
import type { ClusterDump } from './types.ts'

export function dumpOf(
  { name, activeRequests, activeRetries, counters }: Omit<ClusterDump, 'endpoints'>,
  seats: Iterable<Seat>,
): ClusterDump {
  const endpoints = [...seats].map((seat) => ({
    uid: seat.workload.uid,
    address: formatConnectTarget(seat.endpoint.address),
    activeRequests: seat.endpoint.activeRequests,
    capacity: seat.workload.capacity,
    group: seat.group,
    isEjected: seat.isEjected,
    ejections: seat.ejections,
    consecutive5xx: seat.consecutive5xx,
    consecutiveGatewayErrors: seat.consecutiveGatewayErrors,
    consecutiveLocalFailures: seat.consecutiveLocalFailures,
  }))
  return { name, activeRequests, activeRetries, counters: { ...counters }, endpoints }
}
