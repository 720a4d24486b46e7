import type { Closer } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'

/** Who a pod is, as the node agent says it (zds.proto WorkloadInfo). */
export interface WorkloadInfo {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** What the tunnel is told, in order. Each is acknowledged when the returned promise settles. */
export interface ZdsHandler {
  /** Takes ownership of `netns`. Rejecting answers the agent with an error text. */
  add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void>
  /** In a snapshot: the agent has no descriptor, but the pod must stay. */
  keep(uid: string): Promise<void>
  delete(uid: string): Promise<void>
  /** Every pod that the snapshot did not name leaves. */
  snapshotSent(): Promise<void>
  /** The socket is gone; running pods stay. */
  disconnected(reason: string): void
}

/** The tunnel's side: connects, says hello, serves requests one at a time, reconnects with back-off. */
export interface ZdsClient extends Closer {
  readonly isConnected: boolean
}

/** A pod as the agent knows it. */
export interface ZdsPod {
  readonly uid: string
  readonly info: WorkloadInfo
  /** Undefined = a `keep` in the snapshot. */
  readonly netns: Netns | undefined
}

/** The agent's side: accepts several tunnels; each gets a snapshot; adds go to the newest, deletes to all. */
export interface ZdsServer extends Closer {
  /** Resolves when the newest tunnel has acknowledged; rejects with its error text. */
  add(pod: ZdsPod): Promise<void>
  delete(uid: string): Promise<void>
  readonly tunnelCount: number
}
