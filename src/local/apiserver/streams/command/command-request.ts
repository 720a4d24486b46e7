import { badRequest } from '../../api-error.ts'
import type { ApiObject, ExecRequest } from '../../types.ts'
import { chooseContainer } from '../choose-container.ts'

/** One exec or attach as its query asks for it. */
export type CommandRequest = ExecRequest & {
  readonly kind: 'exec' | 'attach'
  readonly hasStdout: boolean
  readonly hasStderr: boolean
}

/** @throws ApiError BadRequest */
export function readCommandRequest(kind: 'exec' | 'attach', query: URLSearchParams, pod: ApiObject): CommandRequest {
  const command = query.getAll('command')
  const hasTty = isTrue(query, 'tty')
  const request = {
    kind,
    container: chooseContainer(pod, query.get('container') ?? ''),
    command,
    hasStdin: isTrue(query, 'stdin'),
    hasStdout: isTrue(query, 'stdout'),
    // A terminal has one output.
    hasStderr: isTrue(query, 'stderr') && !hasTty,
    hasTty,
  }
  if (kind === 'exec' && (command.length === 0 || command[0] === ''))
    throw badRequest('you must specify at least 1 command for the container')
  if (!request.hasStdin && !request.hasStdout && !request.hasStderr) {
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr')
  }
  return request
}

/** As Go's ParseBool, which reads these queries in Kubernetes. */
export function isTrue(query: URLSearchParams, name: string): boolean {
  return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(query.get(name) ?? '')
}
