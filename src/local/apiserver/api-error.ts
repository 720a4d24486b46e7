import { MeshError } from '#shared/errors'
import type { FieldProblem, Status, StatusCause, StatusDetails, StatusReason } from './types.ts'

const STATUS_OF_REASON = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const
STATUS_OF_REASON satisfies Record<StatusReason, number>

/** A request that is answered with a `Status`; kubectl and client libraries branch on its `reason`. */
export class ApiError extends MeshError {
  override readonly name: string = 'ApiError'
  readonly status: Status

  constructor(reason: StatusReason, message: string, details?: StatusDetails) {
    super('API_REQUEST_REFUSED', message)
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code: STATUS_OF_REASON[reason],
    }
  }
}

/** What a Status names: `details.kind` is the plural, except in Invalid, where it is the kind (as Kubernetes does). */
export interface Subject {
  readonly group: string
  readonly plural: string
  readonly kind: string
}

/** `deployments.apps "x" not found`. */
export function notFound(subject: Subject, name: string): ApiError {
  return new ApiError('NotFound', `${qualified(subject)} ${quoted(name)} not found`, details(subject, name))
}

export function alreadyExists(subject: Subject, name: string): ApiError {
  return new ApiError('AlreadyExists', `${qualified(subject)} ${quoted(name)} already exists`, details(subject, name))
}

export function conflict(subject: Subject, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} ${quoted(name)}: ${why}`
  return new ApiError('Conflict', message, details(subject, name))
}

/** The sentence that clients look for when somebody else wrote first. */
export const MODIFIED_MEANWHILE =
  'the object has been modified; please apply your changes to the latest version and try again'

export function forbidden(subject: Subject, name: string, why: string): ApiError {
  const which = name === '' ? '' : ` ${quoted(name)}`
  return new ApiError('Forbidden', `${qualified(subject)}${which} is forbidden: ${why}`, details(subject, name))
}

/** 422 with one cause a problem. `name` may be empty (generateName). */
export function invalid(subject: Subject, name: string, problems: readonly FieldProblem[]): ApiError {
  const lines = problems.map(({ field, problem }) => (field === '' ? problem : `${field}: ${problem}`))
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`
  const kind = subject.group === '' ? subject.kind : `${subject.kind}.${subject.group}`
  const causes: StatusCause[] = problems.map(({ field, problem, reason }) => ({
    reason,
    message: problem,
    ...(field === '' ? {} : { field }),
  }))
  return new ApiError('Invalid', `${kind} ${quoted(name)} is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(subject.group === '' ? {} : { group: subject.group }),
    kind: subject.kind,
    causes,
  })
}

export function badRequest(message: string): ApiError {
  return new ApiError('BadRequest', message)
}

function details(subject: Subject, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(subject.group === '' ? {} : { group: subject.group }),
    kind: subject.plural,
  }
}

function qualified(subject: Subject): string {
  return subject.group === '' ? subject.plural : `${subject.plural}.${subject.group}`
}

function quoted(name: string): string {
  return JSON.stringify(name)
}
