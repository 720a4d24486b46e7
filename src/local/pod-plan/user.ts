import type { ContainerSecurity, PodSecurity } from './spec.ts'
import type { ContainerRun } from './types.ts'

/**
 * Who a container runs as: its own security context, then the pod's. Undefined stands for root, as the supervisor is,
 * within the rights of a container.
 */
export function userOf(pod: PodSecurity, container: ContainerSecurity): ContainerRun['user'] {
  const uid = container.runAsUser ?? pod.runAsUser ?? 0
  const gid = container.runAsGroup ?? pod.runAsGroup ?? 0
  const wanted = [...pod.supplementalGroups, ...(pod.fsGroup === undefined ? [] : [pod.fsGroup])]
  const groups = [...new Set(wanted)].filter((group) => group !== gid)
  return uid === 0 && gid === 0 && groups.length === 0 ? undefined : { uid, gid, groups }
}

/** Whether the container would run as root although it, or the pod, does not want that. */
export function isUnwantedRoot(pod: PodSecurity, container: ContainerSecurity): boolean {
  const refusesRoot = container.runAsNonRoot ?? pod.runAsNonRoot ?? false
  return refusesRoot && (container.runAsUser ?? pod.runAsUser ?? 0) === 0
}

/**
 * Rights a container keeps, Docker's default set without NET_RAW: it cannot undo the redirection of its traffic, nor
 * mark packets as the tunnel's own (SO_MARK needs NET_ADMIN or NET_RAW), nor leave its namespaces.
 */
export const CONTAINER_CAPABILITIES: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
]

/** Without those that it drops; what it adds has been checked to be among the default ones. */
export function rightsOf({
  capabilities,
  allowPrivilegeEscalation,
}: ContainerSecurity): NonNullable<ContainerRun['rights']> {
  const dropped = new Set(capabilities.drop.map(capabilityName))
  const added = new Set(capabilities.add.map(capabilityName))
  const kept = CONTAINER_CAPABILITIES.filter((name) => added.has(name) || !(dropped.has(name) || dropped.has('ALL')))
  return { capabilities: kept, canGain: allowPrivilegeEscalation ?? true }
}

/** As people write them: `CAP_NET_ADMIN`, `net_admin`. */
export function capabilityName(written: string): string {
  return written.toUpperCase().replace(/^CAP_/, '')
}
