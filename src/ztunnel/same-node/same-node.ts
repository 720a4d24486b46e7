import type { MeshView } from '#shared/mesh-state'
import { type SpiffeId, spiffeParts, type Workload, workloadIdentity } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import { Routes } from '#shared/sys'
import type { LocalPod } from '../capture/index.ts'

export interface SameNodeOptions {
  readonly view: MeshView
  /** Pods of that namespace and name that this process serves now: two while one takes the other's place. */
  readonly podsOf: (namespace: string, name: string) => Iterable<LocalPod>
}

/** A tunnel that would end in this very process. */
export interface LocalDestination {
  readonly pod: LocalPod
  /** What the far end of the tunnel would prove to be. */
  readonly identity: SpiffeId
}

/** Finds connections whose tunnel would begin and end here, so that bytes can be handed over without one. */
export class SameNode {
  readonly #options: SameNodeOptions
  readonly #addresses = new WeakMap<LocalPod, ReadonlySet<string>>()

  constructor(options: SameNodeOptions) {
    this.#options = options
  }

  /**
   * The pod that a tunnel to `peer` would reach, when it is served here and both ends would take each other: the far
   * end's identity is one that the opener accepts, and both are of one trust domain (d.2, judgeClient). Undefined = go by
   * tunnel, which also tells why when something of this does not hold.
   */
  find(
    destination: Workload,
    peer: SocketAddress,
    source: SpiffeId,
    acceptedPeers: readonly SpiffeId[],
  ): LocalDestination | undefined {
    const { view, podsOf } = this.#options
    for (const pod of podsOf(destination.namespace, destination.name)) {
      // What the mesh says may be older than the pod: an address counts when it is the namespace's own.
      if (!this.#addressesOf(pod).has(peer.ip)) continue
      const workload = view.localWorkload(pod.info)
      const identity = workload && workloadIdentity(workload)
      if (identity === undefined || !acceptedPeers.includes(identity)) return undefined
      return spiffeParts(identity).trustDomain === spiffeParts(source).trustDomain ? { pod, identity } : undefined
    }
    return undefined
  }

  /** A pod's addresses do not change in its life. */
  #addressesOf(pod: LocalPod): ReadonlySet<string> {
    const known = this.#addresses.get(pod)
    if (known !== undefined) return known
    const own = new Set<string>(new Routes(pod.netns).addresses().map(({ ip }) => ip))
    this.#addresses.set(pod, own)
    return own
  }
}
