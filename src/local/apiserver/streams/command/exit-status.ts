import { reasonOf } from '#shared/errors'
import { ApiError } from '../../api-error.ts'
import type { Status } from '../../types.ts'

type ExitStatus = Omit<Status, 'kind' | 'apiVersion' | 'code'> & { readonly code?: number }

/** What the error channel of exec says at the end; kubectl takes the command's code from it. */
export function exitStatus(code: number): ExitStatus {
  if (code === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    // Not among the reasons of requests.
    reason: 'NonZeroExitCode' as Status['reason'] & string,
    message: `command terminated with non-zero exit code: exit status ${code}`,
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}

/** For a command that could not be run at all. */
export function failureStatus(error: unknown): ExitStatus {
  if (error instanceof ApiError) return error.status
  return { metadata: {}, status: 'Failure', reason: 'InternalError', message: reasonOf(error), code: 500 }
}
