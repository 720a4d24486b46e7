import type { Closer } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'

/** Finds the network namespaces of pods; one implementation for each way there is. */
export interface NetnsResolver extends Closer {
  /** The pod's namespace as it is now, the caller's; undefined while there is none. @throws MeshError of `shared/sys` */
  find(uid: string): Netns | undefined
  /** Called with the uid of a pod for which `find` may give something else. Returns the unsubscribe. */
  onChanged(listener: (uid: string) => void): () => void
}
