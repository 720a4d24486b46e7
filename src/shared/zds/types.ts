import type { Closer } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'

/** Who a pod is, as the node agent says it (zds.proto WorkloadInfo). */
export interface WorkloadInfo {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

/**
 * What the tunnel is told, in order: the next call comes when the promise of the last has settled, and that is when the
 * agent gets its acknowledgement. A rejection is answered with its message; with code `ZDS_PROTOCOL_ERROR` it also ends
 * the tunnel (see `ZdsClientOptions.onProtocolError`).
 */
export interface ZdsHandler {
  /** Takes ownership of `netns`. */
  add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void>
  /** In a snapshot: the agent has no descriptor, but the pod must stay. */
  keep(uid: string): Promise<void>
  delete(uid: string): Promise<void>
  /** Every pod that the snapshot did not name leaves. */
  snapshotSent(): Promise<void>
  /** The agent is gone; running pods stay, and a new connection begins with a new snapshot. */
  disconnected(reason: string): void
}

/** The tunnel's side: connects, says hello, serves requests one at a time, connects again with back-off. */
export interface ZdsClient extends Closer {
  /** The hello has been sent and the agent is there. */
  readonly isConnected: boolean
}

/** A pod as the agent knows it. */
export interface ZdsPod {
  readonly uid: string
  readonly info: WorkloadInfo
  /** Undefined = a `keep` in the snapshot. Owned by the agent, open until `delete` has settled. */
  readonly netns: Netns | undefined
}

/**
 * The agent's side. Several tunnels may be connected, as during an upgrade: each first gets a snapshot of every pod,
 * adds go to the newest, deletes to all.
 */
export interface ZdsServer extends Closer {
  /**
   * Puts the pod into every later snapshot and tells the newest tunnel.
   * @throws MeshError `ZDS_UNAVAILABLE` without a tunnel, or when it is lost or late; `ZDS_REFUSED` with the tunnel's own
   *   text. The pod stays in the snapshots.
   */
  add(pod: ZdsPod): Promise<void>
  /** Takes the pod out of the snapshots and tells every tunnel; never rejects, for a tunnel that does not know is told again. */
  delete(uid: string): Promise<void>
  /** Tunnels that have said hello. */
  readonly tunnelCount: number
}
