import { isRecord } from '#shared/document'
import type { Verdict } from './decide.ts'

/** What the API server asks about one write. */
export interface ReviewRequest {
  readonly uid: string
  readonly group: string
  readonly kind: string
  /** As it will be; undefined for deletions. */
  readonly object: Readonly<Record<string, unknown>> | undefined
  readonly old: Readonly<Record<string, unknown>> | undefined
}

const REVIEW = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' } as const
/** Longer warnings are cut by API servers, in the middle of a word. */
const MAX_WARNING = 250
const MAX_WARNINGS = 10
/** Of a refusal: it is made of users' own words, and ends in somebody's terminal. */
const MAX_MESSAGE = 2_048
/** Policies are about a dozen levels deep. API servers take thousands, and whoever compares or prints those fails. */
const MAX_DEPTH = 100

/** @returns a text that says what is wrong with it when it is no review */
export function readReview(body: string): ReviewRequest | string {
  let review: unknown
  try {
    review = JSON.parse(body)
  } catch {
    return 'is no JSON'
  }
  if (!isRecord(review) || review.apiVersion !== REVIEW.apiVersion || review.kind !== REVIEW.kind)
    return `is no ${REVIEW.kind} of ${REVIEW.apiVersion}`
  if (isDeeper(review, MAX_DEPTH)) return `is nested deeper than ${MAX_DEPTH} levels`
  const { request } = review
  if (!isRecord(request) || typeof request.uid !== 'string' || !isRecord(request.kind)) return 'has no request'
  const { group = '', kind } = request.kind
  if (typeof group !== 'string' || typeof kind !== 'string') return 'does not say which kind it asks about'
  return {
    uid: request.uid,
    group,
    kind,
    object: isRecord(request.object) ? request.object : undefined,
    old: isRecord(request.oldObject) ? request.oldObject : undefined,
  }
}

export function reviewAnswer(uid: string, verdict: Verdict): string {
  const warnings = verdict.warnings.slice(0, MAX_WARNINGS).map((text) => cut(text, MAX_WARNING))
  const response = {
    uid,
    allowed: verdict.kind === 'allowed',
    ...(warnings.length > 0 ? { warnings } : {}),
    ...(verdict.kind === 'refused'
      ? { status: { code: 422, reason: 'Invalid', message: cut(verdict.message, MAX_MESSAGE) } }
      : {}),
  }
  return JSON.stringify({ ...REVIEW, response })
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

/** Level by level, so that no depth is too much for it; values within the deepest lists and objects are no level. */
function isDeeper(value: unknown, levels: number): boolean {
  let level = [value].filter(isContainer)
  for (let depth = 0; depth < levels && level.length > 0; depth++)
    level = level.flatMap((each) => Object.values(each).filter(isContainer))
  return level.length > 0
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
