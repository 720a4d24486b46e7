import { isRecord } from '#shared/document'
import type { ApiDocument, ApiResource } from '#shared/kube-client'

export const LEASES: ApiResource = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  resource: 'leases',
  namespaced: true,
}

/** What a Lease object says. */
export interface LeaseRecord {
  /** Empty = given back. */
  readonly holder: string
  /** What its holder relies on, whatever our own setting is. */
  readonly durationMs: number
  /** How often it went to another holder. */
  readonly transitions: number
  readonly acquireTime: string | undefined
  /** Changes with every write. */
  readonly resourceVersion: string
}

/** Of a Lease that somebody else has written to, what makes no sense counts as not there. */
export function readLease({ metadata, spec }: ApiDocument): LeaseRecord {
  const { resourceVersion } = isRecord(metadata) ? metadata : {}
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime } = isRecord(spec) ? spec : {}
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1000 : 0,
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
    acquireTime: typeof acquireTime === 'string' ? acquireTime : undefined,
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
  }
}

/** The first time that this state of the lease was seen, by the candidate's own monotonic clock. */
export interface Sighting {
  readonly lease: LeaseRecord
  readonly seenAtMs: number
}

export type LeaseStep =
  /** Nobody has made it yet. */
  | { readonly kind: 'create' }
  | { readonly kind: 'renew'; readonly lease: LeaseRecord }
  /** Given back, or not renewed for its whole duration. */
  | { readonly kind: 'take'; readonly lease: LeaseRecord }
  /** It is somebody else's. */
  | { readonly kind: 'wait'; readonly lease: LeaseRecord }

/**
 * What a candidate does next. Times written in the lease are never compared with ours: clocks of two machines need not
 * agree. What counts is how long we have seen it unchanged, by our own clock.
 *
 * @param sighting undefined: there is no lease
 */
export function nextStep(
  sighting: Sighting | undefined,
  self: { readonly identity: string; readonly durationMs: number },
  nowMonotonicMs: number,
): LeaseStep {
  if (sighting === undefined) return { kind: 'create' }
  const { lease, seenAtMs } = sighting
  if (lease.holder === self.identity) return { kind: 'renew', lease }
  if (lease.holder === '') return { kind: 'take', lease }
  const isOver = nowMonotonicMs - seenAtMs >= Math.max(lease.durationMs, self.durationMs)
  return { kind: isOver ? 'take' : 'wait', lease }
}

/** `spec` of a lease that we hold. @param before undefined: it is new */
export function heldSpec(
  self: { readonly identity: string; readonly durationMs: number },
  before: LeaseRecord | undefined,
  nowMs: number,
): ApiDocument {
  const now = microTime(nowMs)
  const isRenewed = before?.holder === self.identity
  return {
    holderIdentity: self.identity,
    // Whole seconds, and never shorter than what we rely on.
    leaseDurationSeconds: Math.max(1, Math.ceil(self.durationMs / 1000)),
    acquireTime: isRenewed ? (before.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: before === undefined ? 0 : before.transitions + (isRenewed ? 0 : 1),
  }
}

/** `spec` of a lease that we give back, in the form of Kubernetes' own controllers. */
export function releasedSpec(nowMs: number): ApiDocument {
  const now = microTime(nowMs)
  return { holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now }
}

/** Kubernetes' MicroTime has exactly six digits behind the second. */
function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace('Z', '000Z')
}
