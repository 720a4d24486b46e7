import { MeshError } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { parseIp } from '#shared/net'
import { type Netns, Routes } from '#shared/sys'

/** What is known of a pod whose namespace is looked for. */
export interface SoughtPod {
  readonly uid: string
  readonly ips: readonly string[]
}

/** Finds the network namespaces of pods; one implementation for each way there is. */
export interface NetnsResolver extends Closer {
  /** The pod's namespace as it is now, the caller's; undefined while there is none. @throws MeshError when there is something else */
  find(pod: SoughtPod): Netns | undefined
  /** Called with the uid of a pod for which `find` may give something else. Returns the unsubscribe. */
  onChanged(listener: (uid: string) => void): () => void
  /** Nobody looks for this pod any more. */
  forget(uid: string): void
}

/**
 * The namespace that was found, when it is the pod's own: files and symlinks may be stale, and a pod in another's namespace
 * would be given that one's connections, and give it its identity (istio-control-plane a.2, step 3).
 *
 * @param found owned by this call unless it is returned
 * @param ips of the pod
 * @returns undefined also while the pod has no address, for nothing else tells whose the namespace is
 * @throws MeshError `NOT_FOUND` when the namespace has none of the addresses
 */
export function claim(found: Netns | undefined, ips: readonly string[]): Netns | undefined {
  if (found === undefined) return undefined
  let isOwn = false
  try {
    const there = new Set<string>(new Routes(found).addresses().map(({ ip }) => ip))
    isOwn = ips.some((ip) => there.has(parseIp(ip) ?? ''))
  } finally {
    if (!isOwn) found.close()
  }
  if (isOwn) return found
  if (ips.length === 0) return undefined
  throw new MeshError(
    'NOT_FOUND',
    `the network namespace found for the pod has none of its addresses (${ips.join(', ')})`,
  )
}
