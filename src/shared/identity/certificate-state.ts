import type { WorkloadCertificate } from '#shared/pki'

/**
 * Where the certificate of one identity stands.
 *
 * ```
 *            fetched                 due                failed
 *  initial ──────────▶ valid ───────────────▶ renewing ────────▶ stale
 *     │                  ▲ ▲──────── fetched ─────┘  ▲─── due ─────┘
 *     │ failed           │ fetched                   │
 *     ▼                  │                           │ expired (from valid, renewing, stale)
 *  unavailable ─ due ─▶ recovering ─ failed ─▶ unavailable ◀──────┘
 * ```
 *
 * A fetch is queued or under way in `initial`, `renewing` and `recovering`. The old certificate is used until it
 * expires; without one, callers get the last error at once and bring no retry forward (hbone-and-ztunnel c).
 */
export type CertificateState =
  | { readonly kind: 'initial' }
  | { readonly kind: 'valid'; readonly certificate: WorkloadCertificate; readonly renewAtMs: number }
  | { readonly kind: 'renewing'; readonly certificate: WorkloadCertificate; readonly failures: number }
  | {
      readonly kind: 'stale'
      readonly certificate: WorkloadCertificate
      readonly error: Error
      readonly failures: number
      readonly retryInMs: number
    }
  | { readonly kind: 'unavailable'; readonly error: Error; readonly failures: number; readonly retryInMs: number }
  | { readonly kind: 'recovering'; readonly error: Error; readonly failures: number }

export type CertificateEvent =
  /** It is time for the fetch that the state names. */
  | { readonly kind: 'due' }
  | { readonly kind: 'fetched'; readonly certificate: WorkloadCertificate; readonly nowMs: number }
  /** `random` in [0, 1). */
  | { readonly kind: 'failed'; readonly error: Error; readonly nowMs: number; readonly random: number }
  /** The certificate's life has ended. */
  | { readonly kind: 'expired'; readonly error: Error }

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 150_000
const RETRY_JITTER = 0.2
/** Renewals of a certificate that hardly lives are at least so far apart. */
const MIN_RENEW_MS = 1_000

/** @throws Error for an event that cannot happen in that state, which is a bug of the caller */
export function next(state: CertificateState, event: CertificateEvent): CertificateState {
  switch (event.kind) {
    case 'due':
      return whenDue(state)
    case 'fetched':
      if (!isFetching(state)) throw forbidden(state, event)
      return {
        kind: 'valid',
        certificate: event.certificate,
        renewAtMs: renewAt(event.certificate, event.nowMs),
      }
    case 'failed':
      return whenFailed(state, event)
    case 'expired':
      return whenExpired(state, event)
  }
}

/** A fetch is queued or under way. */
export function isFetching(state: CertificateState): boolean {
  return state.kind === 'initial' || state.kind === 'renewing' || state.kind === 'recovering'
}

/** What callers are given now, if anything. */
export function usable(state: CertificateState): WorkloadCertificate | undefined {
  return 'certificate' in state ? state.certificate : undefined
}

/**
 * How long until the next fetch, of a state that has just come; undefined while one is queued or under way. A life is
 * measured by the wall clock; a retry comes after so long, however that clock may be set meanwhile.
 */
export function dueInMs(state: CertificateState, nowMs: number): number | undefined {
  if (state.kind === 'valid') return state.renewAtMs - nowMs
  return state.kind === 'stale' || state.kind === 'unavailable' ? state.retryInMs : undefined
}

/**
 * Half of the life; but a CA may date certificates back, so that half of a short life lies in the past already: then a
 * third of what is left, so that the CA is not asked without end.
 */
export function renewAt(certificate: WorkloadCertificate, nowMs: number): number {
  const leftMs = certificate.leaf.notAfterMs - nowMs
  return Math.max(certificate.renewAtMs, nowMs + Math.max(leftMs / 3, MIN_RENEW_MS))
}

/** 1 s, 2 s, 4 s … 150 s, each ± 20 %. */
export function retryDelayMs(failures: number, random: number): number {
  const baseMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 16), MAX_RETRY_MS)
  return baseMs * (1 + RETRY_JITTER * (2 * random - 1))
}

function whenDue(state: CertificateState): CertificateState {
  switch (state.kind) {
    case 'valid':
      return { kind: 'renewing', certificate: state.certificate, failures: 0 }
    case 'stale':
      return { kind: 'renewing', certificate: state.certificate, failures: state.failures }
    case 'unavailable':
      return { kind: 'recovering', error: state.error, failures: state.failures }
    default:
      throw forbidden(state, { kind: 'due' })
  }
}

function whenFailed(
  state: CertificateState,
  event: Extract<CertificateEvent, { readonly kind: 'failed' }>,
): CertificateState {
  const { error, nowMs, random } = event
  switch (state.kind) {
    case 'initial':
      return { kind: 'unavailable', error, failures: 1, retryInMs: retryDelayMs(1, random) }
    case 'recovering': {
      const failures = state.failures + 1
      return { kind: 'unavailable', error, failures, retryInMs: retryDelayMs(failures, random) }
    }
    case 'renewing': {
      const { certificate } = state
      const failures = state.failures + 1
      const leftMs = certificate.leaf.notAfterMs - nowMs
      const retryInMs = Math.max(Math.min(retryDelayMs(failures, random), leftMs), 0)
      return { kind: 'stale', certificate, error, failures, retryInMs }
    }
    default:
      throw forbidden(state, event)
  }
}

function whenExpired(
  state: CertificateState,
  event: Extract<CertificateEvent, { readonly kind: 'expired' }>,
): CertificateState {
  switch (state.kind) {
    case 'valid':
      return { kind: 'unavailable', error: event.error, failures: 0, retryInMs: 0 }
    case 'stale':
      return { kind: 'unavailable', error: state.error, failures: state.failures, retryInMs: 0 }
    case 'renewing':
      return { kind: 'recovering', error: event.error, failures: state.failures }
    default:
      throw forbidden(state, event)
  }
}

function forbidden(state: CertificateState, event: CertificateEvent): Error {
  return new Error(`certificate state ${state.kind} does not take ${event.kind}`)
}
