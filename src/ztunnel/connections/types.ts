import type { SpiffeId } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { ConnectionFacts } from '#shared/policy'

/** A live connection as dumps show it. */
export interface ConnectionRecord {
  readonly podUid: string
  readonly direction: 'inbound' | 'outbound'
  readonly source: SocketAddress
  /** Outbound: what the app dialled. Inbound: host of the `forwarded` header, if any. */
  readonly originalDestination: SocketAddress | string | undefined
  readonly actualDestination: SocketAddress
  readonly protocol: 'HBONE' | 'TCP'
  readonly peer: SpiffeId | undefined
  /** Present on inbound connections: what policy is asked again when it changes. */
  readonly facts: ConnectionFacts | undefined
}

/** An entry of the table; `close` is what a policy change or a drain calls. */
export interface Connection {
  readonly id: number
  readonly record: ConnectionRecord
  close(reason: ConnectionCloseReason): void
}

export type ConnectionCloseReason = 'policy-change' | 'drain' | 'pod-removed' | 'certificate-revoked'
