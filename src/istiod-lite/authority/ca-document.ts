import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { Material } from './material.ts'
import { readIssuer } from './material.ts'
import type { LeafGroup, ReplicaReport } from './replica-report.ts'
import type { CaState, Phase } from './rotation.ts'

/** Texts by name, as they stand in a Secret or in a file. The names of the CA that signs are Istio's. */
export type CaDocument = Readonly<Record<string, string>>

/** The document as it was read. */
export interface StoredCa {
  readonly state: CaState
  readonly reports: readonly ReplicaReport[]
  /** Of `ambit ca rotate`; empty when nobody ever asked. */
  readonly request: string
  /** Changes with every write. */
  readonly version: string
}

const STATE_KEY = 'ambit-state.json'
const REPLICA_PREFIX = 'ambit-replica-'
const NEXT = 'next-'
const OLD_ROOTS_KEY = 'old-root-cert.pem'

/** What is written of a state; `null` = the text goes. */
export function documentOf(state: CaState): Readonly<Record<string, string | null>> {
  const { signing, phase, revision, sinceMs, handledRequest, departed } = state
  const next = 'next' in phase ? phase.next : undefined
  const facts = { revision, phase: phase.kind, sinceMs, handledRequest, departed, origin: signing.origin }
  return {
    ...textsOf('', signing),
    ...textsOf(NEXT, next),
    [OLD_ROOTS_KEY]: phase.kind === 'active' ? phase.oldRootsPem : null,
    [STATE_KEY]: JSON.stringify({ ...facts, ...(next === undefined ? {} : { nextOrigin: next.origin }) }),
  }
}

export function reportKey(id: string): string {
  return `${REPLICA_PREFIX}${id}.json`
}

export function reportText({ id: _, ...report }: ReplicaReport): string {
  return JSON.stringify(report)
}

/**
 * Reads a document: one of ours, or the Secret that Istio keeps its own CA in, which is taken over.
 *
 * @param where for messages
 * @throws MeshError `CONFIG_INVALID` with what is wrong; it is not repaired by guessing, since a CA that is made anew cuts
 *   off everybody who trusts the old one
 */
export function readDocument(document: CaDocument, where: string): Pick<StoredCa, 'state' | 'reports'> {
  try {
    const state = readState(document)
    readIssuer(state.signing)
    if ('next' in state.phase) readIssuer(state.phase.next)
    const reports = Object.entries(document).flatMap(([key, text]): ReplicaReport[] =>
      key.startsWith(REPLICA_PREFIX) ? [readReport(key.slice(REPLICA_PREFIX.length, -'.json'.length), text)] : [],
    )
    return { state, reports }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MeshError('CONFIG_INVALID', `${where}: ${reason}; restore it, or delete it to make a new CA`, { cause })
  }
}

function readState(document: CaDocument): CaState {
  const text = document[STATE_KEY]
  if (text === undefined) {
    const signing = materialIn(document, '', 'self-signed')
    return { revision: 1, signing, phase: { kind: 'steady' }, sinceMs: 0, handledRequest: '', departed: [] }
  }
  const facts = recordIn(text, STATE_KEY)
  return {
    revision: numberIn(facts, 'revision'),
    signing: materialIn(document, '', facts.origin),
    phase: readPhase(facts, document),
    sinceMs: numberIn(facts, 'sinceMs'),
    handledRequest: typeof facts.handledRequest === 'string' ? facts.handledRequest : '',
    departed: groupsIn(facts, 'departed'),
  }
}

function readPhase(facts: Readonly<Record<string, unknown>>, document: CaDocument): Phase {
  switch (facts.phase) {
    case 'steady':
      return { kind: 'steady' }
    case 'prepared':
    case 'published':
      return { kind: facts.phase, next: materialIn(document, NEXT, facts.nextOrigin) }
    case 'active':
      return { kind: 'active', oldRootsPem: textIn(document, OLD_ROOTS_KEY) }
    default:
      throw new Error(`${STATE_KEY} has no phase that is known`)
  }
}

function readReport(id: string, text: string): ReplicaReport {
  const key = reportKey(id)
  const report = recordIn(text, key)
  const lease = isRecord(report.lease) ? report.lease : {}
  return {
    id,
    revision: numberIn(report, 'revision'),
    lease: lease.kind === 'closed' ? { kind: 'closed' } : { kind: 'open', untilMs: numberIn(lease, 'untilMs') },
    longestLifeMs: numberIn(report, 'longestLifeMs'),
    leaves: groupsIn(report, 'leaves'),
  }
}

function textsOf(prefix: string, material: Material | undefined): Readonly<Record<string, string | null>> {
  return {
    [`${prefix}ca-cert.pem`]: material?.certPem ?? null,
    [`${prefix}ca-key.pem`]: material?.keyPem ?? null,
    [`${prefix}cert-chain.pem`]: material?.chainPem ?? null,
    [`${prefix}root-cert.pem`]: material?.rootsPem ?? null,
  }
}

function materialIn(document: CaDocument, prefix: string, origin: unknown): Material {
  const certPem = textIn(document, `${prefix}ca-cert.pem`)
  return {
    origin: origin === 'plugged-in' ? 'plugged-in' : 'self-signed',
    certPem,
    keyPem: textIn(document, `${prefix}ca-key.pem`),
    chainPem: document[`${prefix}cert-chain.pem`] ?? '',
    // A self-signed CA of Istio says nothing beside its certificate.
    rootsPem: document[`${prefix}root-cert.pem`] || certPem,
  }
}

function textIn(document: CaDocument, key: string): string {
  const text = document[key]
  if (text === undefined || text === '') throw new Error(`${key} is missing`)
  return text
}

function recordIn(text: string, key: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Told below.
  }
  if (!isRecord(value)) throw new Error(`${key} is no JSON object`)
  return value
}

function numberIn(record: Readonly<Record<string, unknown>>, key: string): number {
  const value = record[key]
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw new Error(`${key} is no number`)
  return value
}

function groupsIn(record: Readonly<Record<string, unknown>>, key: string): readonly LeafGroup[] {
  const list = Array.isArray(record[key]) ? record[key] : []
  return list.filter(isRecord).map((group) => ({
    revision: numberIn(group, 'revision'),
    untilMs: numberIn(group, 'untilMs'),
    count: numberIn(group, 'count'),
  }))
}
