import type { X509Certificate } from 'node:crypto'
import { readCertificates } from '#shared/pki'
import type { KeeperView } from './keeper.ts'
import { fingerprintOf, readIssuer } from './material.ts'
import { isLive } from './replica-report.ts'
import { trustedRoots } from './rotation.ts'

export interface CertificateStatus {
  readonly subject: string
  /** SHA-256, in hex. */
  readonly fingerprint: string
  readonly notBefore: string
  readonly notAfter: string
}

/** The CA as one replica sees it: `/debug/ca`, which `ambit ca status` shows. */
export interface CaStatus {
  readonly origin: 'self-signed' | 'plugged-in'
  readonly keptIn: string
  readonly phase: 'steady' | 'prepared' | 'published' | 'active'
  readonly since: string
  readonly revision: number
  readonly handledRequest: string
  readonly signing: CertificateStatus
  /** Authorities between the signing certificate and its root. */
  readonly intermediates: number
  /** Trusted now, and `next`: the one that is prepared and not trusted yet. */
  readonly roots: readonly (CertificateStatus & { readonly role: 'current' | 'next' | 'old' })[]
  readonly waitingFor: readonly string[]
  readonly problem: string | undefined
  readonly replica: string
  readonly replicas: readonly {
    readonly id: string
    readonly revision: number
    readonly state: 'live' | 'closed' | 'gone'
  }[]
  /** Who holds certificates of this replica that are older than the phase: at most 100 of `outdatedCount`. */
  readonly outdated: readonly { readonly holder: string; readonly identity: string; readonly until: string }[]
  readonly outdatedCount: number
}

const MAX_OUTDATED = 100

export function caStatus(view: KeeperView, nowMs: number): CaStatus {
  const { state, where, replicaId, reports, waitingFor, problem } = view
  const { signing, phase, revision } = state
  const issuer = readIssuer(signing)
  const outdated = phase.kind === 'steady' ? [] : view.books.heldBefore(revision, nowMs)
  return {
    origin: signing.origin,
    keptIn: where,
    phase: phase.kind,
    since: time(state.sinceMs),
    revision,
    handledRequest: state.handledRequest,
    signing: certificateStatus(issuer.certificate),
    intermediates: issuer.chainPems.length,
    roots: rootsOf(view),
    waitingFor,
    problem,
    replica: replicaId,
    replicas: reports.map((report) => ({
      id: report.id,
      revision: report.revision,
      state: report.lease.kind === 'closed' ? 'closed' : isLive(report, nowMs) ? 'live' : 'gone',
    })),
    outdated: outdated
      .slice(0, MAX_OUTDATED)
      .map(({ holder, id, notAfterMs }) => ({ holder, identity: id, until: time(notAfterMs) })),
    outdatedCount: outdated.length,
  }
}

function rootsOf({ state }: KeeperView): CaStatus['roots'] {
  const { signing, phase } = state
  const current = new Set(readCertificates(signing.rootsPem).map(fingerprintOf))
  const next = 'next' in phase ? readCertificates(phase.next.rootsPem) : []
  const all = [...readCertificates(trustedRoots(state)), ...next]
  const named = new Map(all.map((root) => [fingerprintOf(root), root]))
  return [...named].map(([fingerprint, root]) => ({
    ...certificateStatus(root),
    role: current.has(fingerprint) ? 'current' : phase.kind === 'active' ? 'old' : 'next',
  }))
}

function certificateStatus(certificate: X509Certificate): CertificateStatus {
  return {
    subject: (certificate.subject ?? '').replaceAll('\n', ', '),
    fingerprint: fingerprintOf(certificate),
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
  }
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}
