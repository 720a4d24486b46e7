import type { SpiffeId, Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { ConnectionFacts } from '#shared/policy'

interface ConnectionCore {
  readonly podUid: string
  readonly source: SocketAddress
  /** Outbound: what the app dialled. Inbound: host of the `forwarded` header, if any. */
  readonly originalDestination: SocketAddress | string | undefined
  readonly actualDestination: SocketAddress
  /** HBONE = the peer proved who it is; DOUBLEHBONE = so did a network gateway before it. */
  readonly protocol: 'HBONE' | 'DOUBLEHBONE' | 'TCP'
  readonly peer: SpiffeId | undefined
}

export interface InboundConnectionRecord extends ConnectionCore {
  readonly direction: 'inbound'
  /** What policy is asked about, again whenever policies change. */
  readonly facts: ConnectionFacts
  /** The destination as it was when the connection came; its uid finds the newest one. */
  readonly workload: Workload
}

export interface OutboundConnectionRecord extends ConnectionCore {
  readonly direction: 'outbound'
}

/** A live connection as dumps show it. */
export type ConnectionRecord = InboundConnectionRecord | OutboundConnectionRecord

/** Why the tunnel itself ends a connection. */
export type ConnectionCloseReason = 'policy-change' | 'drain' | 'pod-removed' | 'certificate-revoked'

/** What of policy refused or ended a connection. */
export interface DeniedBy {
  /** The policy's key, `<namespace>/<name>`. */
  readonly policy: string
  /** Its rule that matched, 0-based; undefined for a policy that is named but not known. */
  readonly rule: number | undefined
}

/** An entry of the table. */
export interface Connection<R extends ConnectionRecord = ConnectionRecord> {
  /** Unique in this process, counting up from 1. */
  readonly id: number
  readonly record: R
  /** Set once the table has told the owner to close: the owner stops before its next step. */
  readonly closedBy: ConnectionCloseReason | undefined
  /** Set with `policy-change`, unless it was only that no ALLOW matches any more. */
  readonly deniedBy: DeniedBy | undefined
  /** Tells the owner to end it, once; it leaves the table only by `remove`. */
  close(reason: ConnectionCloseReason, deniedBy?: DeniedBy): void
  /** The owner is done with it; safe to call twice. */
  remove(): void
}
