import { isRecord } from '#shared/document'
import type { Verdict } from './decide.ts'

/** What the API server asks about one write. */
export interface ReviewRequest {
  readonly uid: string
  readonly operation: string
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
  const { request } = review
  if (!isRecord(request) || typeof request.uid !== 'string' || !isRecord(request.kind)) return 'has no request'
  const { group = '', kind } = request.kind
  return {
    uid: request.uid,
    operation: String(request.operation),
    group: String(group),
    kind: String(kind),
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
    ...(verdict.kind === 'refused' ? { status: { code: 422, reason: 'Invalid', message: verdict.message } } : {}),
  }
  return JSON.stringify({ ...REVIEW, response })
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}
