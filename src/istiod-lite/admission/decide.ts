import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '#shared/document'
import {
  type AuthorizationPolicy,
  type KubeObject,
  meshKinds,
  type PeerAuthentication,
  readApiObject,
} from '#shared/k8s'
import type { PolicyExplainer, Shortfall, ShortfallReason } from '../mesh/index.ts'
import type { ReviewRequest } from './review.ts'

/** `strict` refuses what proxies cannot enforce as it is written, `warn` says so and takes it. */
export type AdmissionMode = 'strict' | 'warn'

export type Verdict =
  | { readonly kind: 'allowed'; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string; readonly warnings: readonly string[] }

export const CHECKED_GROUP = 'security.istio.io'
/** Kinds that are looked at, by their name in the API. */
export const CHECKED_RESOURCES = ['authorizationpolicies', 'peerauthentications'] as const

/** What is enforced all the same, though not as some would think: never a reason to refuse. */
const HARMLESS: ReadonlySet<ShortfallReason> = new Set([
  'DisableIsPermissive',
  'WaypointUnused',
  'NotCaptured',
  'SelectsNothing',
])

const ALLOWED: Verdict = { kind: 'allowed', warnings: [] }

/**
 * Whether an object may be written as it is. Pure but for what `explain` looks up of the mesh's present state.
 *
 * A change that leaves alone what counts is never refused: whoever has such an object must be able to label it, and
 * Kubernetes to take it away.
 */
export function decideAdmission(mode: AdmissionMode, request: ReviewRequest, explain: PolicyExplainer): Verdict {
  const { object, old, group, kind } = request
  const reader = meshKinds.find((each) => each.kind === kind && each.apiVersions[0].startsWith(`${group}/`))
  if (object === undefined || reader === undefined || isBeingDeleted(object)) return ALLOWED
  const read = readApiObject(object, reader)
  const found: readonly Finding[] =
    read.kind === 'read'
      ? shortfallsOf(read.object, explain).map(({ reason, message }) => ({
          text: `${reason}: ${message}`,
          isSerious: !HARMLESS.has(reason),
        }))
      : read.problems.map(({ path, problem }) => ({
          text: `istiod-lite cannot read it and keeps what it had: ${path === '' ? '' : `${path}: `}${problem}`,
          isSerious: true,
        }))
  const serious = found.filter(({ isSerious }) => isSerious)
  const texts = found.map(({ text }) => text)
  if (mode === 'warn' || serious.length === 0 || (old !== undefined && isSameForTheMesh(object, old)))
    return { kind: 'allowed', warnings: texts }
  return {
    kind: 'refused',
    message: serious.map(({ text }) => text).join(' '),
    warnings: found.filter(({ isSerious }) => !isSerious).map(({ text }) => text),
  }
}

interface Finding {
  readonly text: string
  readonly isSerious: boolean
}

function shortfallsOf(object: KubeObject, explain: PolicyExplainer): readonly Shortfall[] {
  // Kinds of this room's resources narrow to their own records, as their readers give them.
  if (object.kind === 'AuthorizationPolicy')
    return explain.authorizationPolicy(object as AuthorizationPolicy).shortfalls
  if (object.kind === 'PeerAuthentication') return explain.peerAuthentication(object as PeerAuthentication).shortfalls
  return []
}

function isBeingDeleted({ metadata }: Readonly<Record<string, unknown>>): boolean {
  return isRecord(metadata) && metadata.deletionTimestamp !== undefined
}

/** Equal in what decides: the spec, and the annotations, one of which makes a policy a trial. */
function isSameForTheMesh(object: Readonly<Record<string, unknown>>, old: Readonly<Record<string, unknown>>): boolean {
  return isDeepStrictEqual(object.spec, old.spec) && dryRunOf(object) === dryRunOf(old)
}

function dryRunOf({ metadata }: Readonly<Record<string, unknown>>): unknown {
  const annotations = isRecord(metadata) ? metadata.annotations : undefined
  return isRecord(annotations) ? annotations['istio.io/dry-run'] : undefined
}
