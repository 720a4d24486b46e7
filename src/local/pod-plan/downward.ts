import { isRecord } from '#shared/document'
import { type ApiObject, parseQuantity } from '../apiserver/index.ts'
import type { FieldRef, PlainField, ResourceRef } from './downward-spec.ts'
import type { ContainerSpec } from './spec.ts'

/** Addresses are known before the pod's status shows them. */
export interface PodAddressFacts {
  readonly podIps: readonly string[]
  readonly hostIps: readonly string[]
}

/** What a container without limits may use: all of it. */
export interface MachineSize {
  readonly cpus: number
  readonly memoryBytes: number
}

/** A value of the pod as a variable or file shows it; a label that is not there is empty. */
export function fieldValue(pod: ApiObject, ref: FieldRef, { podIps, hostIps }: PodAddressFacts): string {
  const { labels = {}, annotations = {} } = pod.metadata
  if (ref.kind === 'keyed') return (ref.list === 'labels' ? labels : annotations)[ref.key] ?? ''
  if (ref.kind === 'all') return lines(ref.list === 'labels' ? labels : annotations)
  const plain: Readonly<Record<PlainField, string>> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace ?? '',
    'metadata.uid': pod.metadata.uid ?? '',
    'spec.nodeName': textIn(pod.spec, 'nodeName'),
    'spec.serviceAccountName': textIn(pod.spec, 'serviceAccountName'),
    'status.hostIP': hostIps[0] ?? '',
    'status.hostIPs': hostIps.join(','),
    'status.podIP': podIps[0] ?? '',
    'status.podIPs': podIps.join(','),
  }
  return plain[ref.field]
}

/**
 * What a container asks for or may use, in whole units of the divisor, rounded up. Without a limit it is the machine's;
 * without a request the limit, and nothing without that.
 */
export function resourceValue(
  { resources }: Pick<ContainerSpec, 'resources'>,
  ref: ResourceRef,
  machine: MachineSize,
): string {
  const { list, resource, divisor } = ref
  const whole: Readonly<Record<string, string>> = { cpu: `${machine.cpus}`, memory: `${machine.memoryBytes}` }
  const written =
    list === 'limits'
      ? (resources.limits[resource] ?? whole[resource])
      : (resources.requests[resource] ?? resources.limits[resource])
  const amount = parseQuantity(written ?? '0')?.nano ?? 0n
  const unit = parseQuantity(divisor)?.nano ?? 1_000_000_000n
  return String((amount + unit - 1n) / unit)
}

/** As Kubernetes writes them: sorted, each value quoted. */
function lines(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join('\n')
}

function textIn(record: unknown, field: string): string {
  const value = isRecord(record) ? record[field] : ''
  return typeof value === 'string' ? value : ''
}
