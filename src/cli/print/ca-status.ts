import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { table } from './table.ts'

export interface CaCertificate {
  readonly subject: string
  /** SHA-256, in hex. */
  readonly fingerprint: string
  readonly notAfter: string
}

/** The CA, as the replicas of a control plane tell it together. */
export interface CaView {
  /** `self-signed`, `plugged-in`. */
  readonly origin: string
  readonly keptIn: string
  /** `steady` unless it is being replaced. */
  readonly phase: string
  readonly since: string
  readonly revision: number
  readonly handledRequest: string
  readonly signing: CaCertificate
  readonly intermediates: number
  readonly roots: readonly (CaCertificate & { readonly role: string })[]
  readonly waitingFor: readonly string[]
  readonly problems: readonly string[]
  readonly replicas: number
  readonly outdated: readonly { readonly holder: string; readonly identity: string; readonly until: string }[]
  readonly outdatedCount: number
}

/** Of a long list only so many are shown in a table. */
const MAX_SHOWN = 20
const FINGERPRINT_SHOWN = 16

/**
 * Joins what each replica says on `/debug/ca`. All share one state; each knows its own certificates.
 *
 * @throws MeshError `COMMAND_FAILED` when none of them has a CA, or is istiod-lite
 */
export function readCaPages(pages: readonly string[]): CaView {
  const told = pages.map(parse).filter(isRecord)
  const newest = [...told].sort((a, b) => numberOf(b.revision) - numberOf(a.revision))[0]
  if (newest === undefined)
    throw new MeshError('COMMAND_FAILED', 'the control plane has no CA yet, or is not istiod-lite; see its log')
  const outdated = told.flatMap(({ outdated: list }) => records(list))
  return {
    origin: textOf(newest.origin),
    keptIn: textOf(newest.keptIn),
    phase: textOf(newest.phase),
    since: textOf(newest.since),
    revision: numberOf(newest.revision),
    handledRequest: textOf(newest.handledRequest),
    signing: certificateOf(newest.signing),
    intermediates: numberOf(newest.intermediates),
    roots: records(newest.roots).map((root) => ({ ...certificateOf(root), role: textOf(root.role) })),
    waitingFor: [...new Set(told.flatMap(({ waitingFor }) => texts(waitingFor)))],
    problems: [...new Set(told.flatMap(({ problem }) => textOf(problem) || []))],
    replicas: told.length,
    outdated: outdated.map(({ holder, identity, until }) => ({
      holder: textOf(holder),
      identity: textOf(identity),
      until: textOf(until),
    })),
    outdatedCount: told.reduce((sum, { outdatedCount }) => sum + numberOf(outdatedCount), 0),
  }
}

export function caText(view: CaView): string {
  const { origin, keptIn, phase, since, revision, signing, intermediates, waitingFor, problems } = view
  const facts: [string, string][] = [
    ['Authority', `${origin}, ${intermediates} intermediate${intermediates === 1 ? '' : 's'}`],
    ['Signs as', `${signing.subject} until ${signing.notAfter}`],
    ['Kept in', keptIn],
    ['Phase', `${phase} since ${since} (revision ${revision})`],
    ...waitingFor.map((reason): [string, string] => ['Waits, as', reason]),
    ...problems.map((problem): [string, string] => ['Problem', problem]),
  ]
  const roots = view.roots.map(({ fingerprint, role, notAfter, subject }) => [
    fingerprint.slice(0, FINGERPRINT_SHOWN),
    role,
    notAfter,
    subject,
  ])
  const width = Math.max(...facts.map(([name]) => name.length)) + 2
  const lines = facts.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}\n`).join('')
  return `${lines}\n${table(['ROOT', 'ROLE', 'NOT AFTER', 'SUBJECT'], roots)}${outdatedText(view)}`
}

function outdatedText({ outdated, outdatedCount }: CaView): string {
  if (outdatedCount === 0) return ''
  const shown = outdated.slice(0, MAX_SHOWN).map(({ holder, identity, until }) => [holder, identity, until])
  const more = outdatedCount > shown.length ? `and ${outdatedCount - shown.length} more\n` : ''
  return `\n${table(['NOT RENEWED YET', 'IDENTITY', 'UNTIL'], shown)}${more}`
}

function parse(page: string): unknown {
  try {
    return JSON.parse(page)
  } catch {
    return undefined
  }
}

function certificateOf(value: unknown): CaCertificate {
  const { subject, fingerprint, notAfter } = isRecord(value) ? value : {}
  return { subject: textOf(subject), fingerprint: textOf(fingerprint), notAfter: textOf(notAfter) }
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
