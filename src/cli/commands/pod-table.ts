import type { PodStatus } from '#shared/control'
import { table } from '../print/index.ts'

/** Pods with node, address, identity, and whether they are in the mesh. */
export function podTable(pods: readonly PodStatus[]): string {
  if (pods.length === 0) return 'No pods.\n'
  const rows = pods.map((pod) => [
    pod.namespace,
    pod.name,
    pod.ready ? 'yes' : 'no',
    pod.node || '-',
    pod.addresses[0] ?? '-',
    pod.enrolled ? pod.identity : '-',
    enrolledWord(pod),
    restartsText(pod.restarts),
    pod.ready ? '' : pod.reason || pod.phase,
  ])
  return table(['NAMESPACE', 'POD', 'READY', 'NODE', 'ADDRESS', 'IDENTITY', 'ENROLLED', '', ''], rows)
}

function restartsText(restarts: number): string {
  if (restarts === 0) return ''
  return restarts === 1 ? '1 restart' : `${restarts} restarts`
}

function enrolledWord({ enrolled, captured }: PodStatus): string {
  if (enrolled) return captured ? 'yes' : 'not captured'
  return captured ? 'still captured' : 'no'
}
