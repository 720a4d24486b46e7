import type { X509Certificate } from 'node:crypto'
import { isSameMaterial, isWithin, joinRoots, type Material, readIssuer } from './material.ts'
import { isLive, type LeafGroup, leavesBefore, type ReplicaReport } from './replica-report.ts'

/**
 * How far a change of the CA is.
 *
 * ```
 *  steady ─▶ prepared ─────▶ published ──────────▶ active ──────────────▶ steady
 *            every replica   both roots trusted,   the new CA signs,      the old root is gone
 *            reads the new   the old CA signs      both roots trusted
 * ```
 */
export type Phase =
  | { readonly kind: 'steady' }
  | { readonly kind: 'prepared'; readonly next: Material }
  | { readonly kind: 'published'; readonly next: Material }
  | { readonly kind: 'active'; readonly oldRootsPem: string }

/** What all replicas share. */
export interface CaState {
  /** Counts phases; every leaf is remembered with the one by which it was signed. */
  readonly revision: number
  readonly signing: Material
  readonly phase: Phase
  /** When the phase began. */
  readonly sinceMs: number
  /** The last `ambit ca rotate` that was followed. */
  readonly handledRequest: string
  /** Of replicas that are gone. */
  readonly departed: readonly LeafGroup[]
}

export interface RotationFacts {
  readonly nowMs: number
  /** The CA that is plugged in; undefined: none is, or it cannot be used. */
  readonly pluggedIn: Material | undefined
  /** Of `ambit ca rotate`; empty when nobody ever asked. */
  readonly request: string
  readonly reports: readonly ReplicaReport[]
  /** As long as a new root may take to the files of those who connect to us. */
  readonly propagationMs: number
}

export type Step =
  | { readonly kind: 'wait'; readonly reasons: readonly string[] }
  | { readonly kind: 'prepare'; readonly next: Material | 'self-signed'; readonly why: string }
  | { readonly kind: 'withdraw'; readonly why: string }
  | { readonly kind: 'publish' }
  | { readonly kind: 'activate' }
  | { readonly kind: 'retire' }

/** A step with its new CA made. */
export type TakenStep =
  | Exclude<Step, { readonly kind: 'wait' | 'prepare' }>
  | { readonly kind: 'prepare'; readonly next: Material; readonly why: string }

/** A root of our own is replaced when so much of its life is left (istio-control-plane e). */
const RENEW_PART = 0.2

/** What everybody trusts now, the root of who signs first. */
export function trustedRoots({ signing, phase }: CaState): string {
  if (phase.kind === 'published') return joinRoots(signing.rootsPem, phase.next.rootsPem)
  return phase.kind === 'active' ? joinRoots(signing.rootsPem, phase.oldRootsPem) : joinRoots(signing.rootsPem)
}

/**
 * What is to be done now. The invariant behind it: at no time does somebody hold a leaf that somebody else, who follows
 * the protocol, cannot verify. So nothing signs whose root is not in every leaf's bundle that may be in use, and no root
 * goes as long as a leaf below it may be in use. Who asks when it is nobody's turn is told what is waited for.
 */
export function nextStep(state: CaState, facts: RotationFacts): Step {
  switch (state.phase.kind) {
    case 'steady':
      return whenSteady(state, facts)
    case 'prepared': {
      const change = changeOfMind(state, state.phase.next, facts)
      return change ?? whenNothing([...laggards(state, facts)], { kind: 'publish' })
    }
    case 'published': {
      const change = changeOfMind(state, state.phase.next, facts)
      if (change !== undefined) return change
      const isTrusted = isWithin(state.phase.next.rootsPem, state.signing.rootsPem)
      return whenNothing(isTrusted ? [] : pending(state, facts, 'lack the new root'), { kind: 'activate' })
    }
    case 'active': {
      const isKept = isWithin(state.phase.oldRootsPem, state.signing.rootsPem)
      return whenNothing(isKept ? [] : pending(state, facts, 'are of the old CA'), { kind: 'retire' })
    }
  }
}

export function takeStep(state: CaState, step: TakenStep, facts: RotationFacts): CaState {
  const { phase, signing } = state
  const after = (change: Partial<CaState>): CaState => ({
    ...state,
    ...change,
    revision: state.revision + 1,
    sinceMs: facts.nowMs,
  })
  switch (step.kind) {
    case 'prepare':
      return after({ phase: { kind: 'prepared', next: step.next }, handledRequest: facts.request })
    case 'withdraw':
      return after({ phase: { kind: 'steady' } })
    case 'publish':
      return phase.kind === 'prepared' ? after({ phase: { kind: 'published', next: phase.next } }) : state
    case 'activate':
      if (phase.kind !== 'published') return state
      return after({ signing: phase.next, phase: { kind: 'active', oldRootsPem: signing.rootsPem } })
    case 'retire':
      return phase.kind === 'active' ? after({ phase: { kind: 'steady' } }) : state
  }
}

/** A CA that nobody has signed with yet. */
export function firstState(signing: Material, sinceMs: number): CaState {
  return { revision: 1, signing, phase: { kind: 'steady' }, sinceMs, handledRequest: '', departed: [] }
}

/** For the log. */
export function wordsOf(step: Exclude<Step, { readonly kind: 'wait' }>): string {
  switch (step.kind) {
    case 'prepare':
      return `a new CA is prepared: ${step.why}`
    case 'withdraw':
      return `the new CA is withdrawn: ${step.why}`
    case 'publish':
      return 'the root of the new CA is published'
    case 'activate':
      return 'the new CA signs from now on'
    case 'retire':
      return 'the root of the old CA is retired'
  }
}

function whenSteady({ signing, handledRequest }: CaState, { pluggedIn, request, nowMs }: RotationFacts): Step {
  if (pluggedIn !== undefined)
    return isSameMaterial(pluggedIn, signing)
      ? { kind: 'wait', reasons: [] }
      : { kind: 'prepare', next: pluggedIn, why: 'another CA is plugged in' }
  // Who takes the plugged-in CA away does not get another one by that: it signs on.
  if (signing.origin === 'plugged-in') return { kind: 'wait', reasons: [] }
  if (request !== handledRequest) return { kind: 'prepare', next: 'self-signed', why: 'it was asked for' }
  if (isDue(readIssuer(signing).certificate, nowMs))
    return { kind: 'prepare', next: 'self-signed', why: 'the root has little of its life left' }
  return { kind: 'wait', reasons: [] }
}

/** Another CA was plugged in before the last one signed anything: nobody holds a leaf of that one. */
function changeOfMind({ signing }: CaState, next: Material, { pluggedIn }: RotationFacts): Step | undefined {
  if (pluggedIn === undefined || isSameMaterial(pluggedIn, next)) return undefined
  return isSameMaterial(pluggedIn, signing)
    ? { kind: 'withdraw', why: 'the CA that signs is plugged in again' }
    : { kind: 'prepare', next: pluggedIn, why: 'yet another CA is plugged in' }
}

function whenNothing(reasons: readonly string[], step: Step): Step {
  return reasons.length === 0 ? step : { kind: 'wait', reasons }
}

function* laggards({ revision }: CaState, { reports, nowMs }: RotationFacts): Generator<string> {
  for (const report of reports)
    if (isLive(report, nowMs) && report.revision < revision) yield `replica ${report.id} has not taken it up`
}

function pending(state: CaState, facts: RotationFacts, what: string): readonly string[] {
  const { revision, departed, sinceMs } = state
  const { reports, nowMs, propagationMs } = facts
  const reasons = [...laggards(state, facts)]
  const leftMs = sinceMs + propagationMs - nowMs
  if (leftMs > 0) reasons.push(`files with roots may be as old as ${Math.ceil(leftMs / 1000)} s`)
  const bounds = reports.map((report) => leavesBefore(report, revision, nowMs)).filter(Number.isFinite)
  const goneMs = departed.filter((group) => group.revision < revision).map(({ untilMs }) => untilMs)
  const untilMs = Math.max(0, ...bounds, ...goneMs)
  if (untilMs > nowMs)
    reasons.push(`certificates that ${what} may be in use until ${new Date(untilMs).toISOString()}, unless renewed`)
  return reasons
}

function isDue(certificate: X509Certificate, nowMs: number): boolean {
  const endMs = certificate.validToDate.getTime()
  return endMs - nowMs < (endMs - certificate.validFromDate.getTime()) * RENEW_PART
}
