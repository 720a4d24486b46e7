import type { IdentityMaterial } from '#shared/identity'
import type { Authorization, MeshAddress, SpiffeId } from '#shared/model'
import type { ResourceUpdate } from '#shared/xds'
import type { DumpedConnection } from '../admin/index.ts'
import type { Denial } from '../authz/index.ts'
import type { PodStatus } from '../capture/index.ts'

/**
 * What supervisor and workers say to each other, over the channel that Node makes for a child process. Both ends are the
 * same build of this program, so nothing is checked again; pods come by ZDS beside it, as descriptors do not fit here.
 */
export type ToWorker =
  /** The mesh's description, in the order in which the supervisor applied it; `whole` is the first, complete one. */
  | { readonly kind: 'addresses'; readonly update: ResourceUpdate<MeshAddress> }
  | { readonly kind: 'authorizations'; readonly update: ResourceUpdate<Authorization> }
  | { readonly kind: 'whole' }
  /** Asked for with that number, or renewed (then without one). */
  | {
      readonly kind: 'certificate'
      readonly number: number | undefined
      readonly id: SpiffeId
      readonly outcome: Outcome<IdentityMaterial>
    }
  | { readonly kind: 'answered'; readonly number: number; readonly outcome: Outcome<undefined> }
  | { readonly kind: 'log filter'; readonly filter: string }
  /** Ends; what another tunnel can go on with is left at that path. */
  | { readonly kind: 'drain'; readonly heirPath: string | undefined }
  | { readonly kind: 'report'; readonly number: number }

export type ToSupervisor =
  /** Serves every pod that it was given, or not. */
  | { readonly kind: 'ready'; readonly isReady: boolean }
  | { readonly kind: 'certificate?'; readonly number: number; readonly id: SpiffeId }
  | { readonly kind: 'names?'; readonly number: number; readonly names: readonly string[] }
  | { readonly kind: 'report'; readonly number: number; readonly report: WorkerReport }

/** A failure crosses as its text; the code is the asker's. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string }

/** What a worker knows that others want to see. */
export interface WorkerReport {
  readonly pods: readonly PodStatus[]
  readonly connections: readonly ShownConnection[]
  /** The newest ones, newest last. */
  readonly denials: readonly Denial[]
  /** OpenMetrics. */
  readonly metrics: string
}

export interface ShownConnection {
  readonly podUid: string
  readonly record: DumpedConnection
}
