import { badRequest } from '../api-error.ts'
import type { DeleteOptions, FieldValidation, PropagationPolicy, WriteOptions } from '../types.ts'

/** How long a watch lasts when the client does not say; client-go itself asks for 5 to 10 minutes. */
const DEFAULT_WATCH_MS = 30 * 60_000
const MAX_WATCH_MS = 24 * 3_600_000

/** The query of a list or watch. */
export interface ListOptions {
  readonly labelSelector: string
  readonly fieldSelector: string
  readonly resourceVersion: string
  readonly resourceVersionMatch: string
  /** Undefined: all. */
  readonly limit: number | undefined
  readonly continueToken: string
  readonly isWatch: boolean
  readonly wantsBookmarks: boolean
  readonly sendInitialEvents: boolean
  readonly timeoutMs: number
  /** How much of the object a Table row carries. */
  readonly includeObject: 'None' | 'Metadata' | 'Object'
}

/** @throws ApiError BadRequest */
export function listOptionsOf(query: URLSearchParams): ListOptions {
  const limit = wholeNumber(query, 'limit')
  const timeoutSeconds = wholeNumber(query, 'timeoutSeconds')
  const isWatch = isTrue(query, 'watch')
  const sendInitialEvents = isTrue(query, 'sendInitialEvents')
  if (!isWatch && query.has('sendInitialEvents')) throw badRequest('sendInitialEvents is forbidden for list')
  return {
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    limit: limit === 0 ? undefined : limit,
    continueToken: query.get('continue') ?? '',
    isWatch,
    wantsBookmarks: isTrue(query, 'allowWatchBookmarks'),
    sendInitialEvents,
    timeoutMs:
      timeoutSeconds === undefined || timeoutSeconds === 0
        ? DEFAULT_WATCH_MS
        : Math.min(timeoutSeconds * 1000, MAX_WATCH_MS),
    includeObject: includeObjectOf(query),
  }
}

/** @throws ApiError BadRequest */
export function writeOptionsOf(query: URLSearchParams, userAgent: string): WriteOptions {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '')
  if (dryRun.some((value) => value !== 'All')) throw badRequest('dryRun: Unsupported value: supported values: "All"')
  const fieldValidation = query.get('fieldValidation') || 'Warn'
  if (!isFieldValidation(fieldValidation))
    throw badRequest(
      `fieldValidation: Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "Ignore", "Warn", "Strict"`,
    )
  const fieldManager = query.get('fieldManager') ?? ''
  if (fieldManager.length > 128) throw badRequest('fieldManager: Too long: may not be more than 128 bytes')
  return {
    isDryRun: dryRun.length > 0,
    fieldManager: fieldManager === '' ? (userAgent.split('/')[0] ?? '').slice(0, 128) || 'unknown' : fieldManager,
    fieldValidation,
    force: isTrue(query, 'force'),
  }
}

/** Options of a deletion come as body, query, or both; the body wins. @throws ApiError BadRequest */
export function deleteOptionsOf(query: URLSearchParams, body: Readonly<Record<string, unknown>>): DeleteOptions {
  const policy = body.propagationPolicy ?? query.get('propagationPolicy') ?? undefined
  if (policy !== undefined && !isPropagationPolicy(policy))
    throw badRequest('DeleteOptions: propagationPolicy: supported values: "Background", "Foreground", "Orphan"')
  const orphan =
    body.orphanDependents ?? (query.has('orphanDependents') ? isTrue(query, 'orphanDependents') : undefined)
  const grace = body.gracePeriodSeconds ?? wholeNumber(query, 'gracePeriodSeconds')
  if (grace !== undefined && grace !== null && !(Number.isSafeInteger(grace) && Number(grace) >= 0))
    throw badRequest('DeleteOptions: gracePeriodSeconds must be a whole number of seconds')
  const dryRun = [body.dryRun ?? query.getAll('dryRun')].flat()
  const { uid, resourceVersion } = recordOf(body.preconditions)
  return {
    propagationPolicy: policy ?? (orphan === true ? 'Orphan' : undefined),
    gracePeriodSeconds: grace === undefined || grace === null ? undefined : Number(grace),
    preconditions: { uid: textOf(uid), resourceVersion: textOf(resourceVersion) },
    isDryRun: dryRun.includes('All'),
  }
}

function includeObjectOf(query: URLSearchParams): ListOptions['includeObject'] {
  const wanted = query.get('includeObject')
  return wanted === 'None' || wanted === 'Object' ? wanted : 'Metadata'
}

function isFieldValidation(text: string): text is FieldValidation {
  return text === 'Strict' || text === 'Warn' || text === 'Ignore'
}

function isPropagationPolicy(value: unknown): value is PropagationPolicy {
  return value === 'Background' || value === 'Foreground' || value === 'Orphan'
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function isTrue(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  return value === 'true' || value === '1'
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name)
  if (value === null || value === '') return undefined
  if (!/^\d{1,15}$/.test(value))
    throw badRequest(`${name} must be a whole number: ${JSON.stringify(value.slice(0, 64))}`)
  return Number(value)
}
