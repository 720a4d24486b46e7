import { constants } from 'node:os'
import { ApiError, type ExecRequest, type ExecSession } from '../apiserver/index.ts'
import { type ProcessEnd, type SessionOptions, SessionProcess, type Tools } from '../host/index.ts'
import type { ContainerTarget } from './types.ts'

/**
 * Says what users know from Kubernetes when there is no such command, with the status of a shell. The command is an
 * argument, never a part of the script.
 */
const FIND_SCRIPT = `
case $1 in
  */*) if [ ! -e "$1" ]; then echo "exec: \\"$1\\": no such file or directory" >&2; exit 127; fi ;;
  *) if ! command -v "$1" > /dev/null; then echo "exec: \\"$1\\": executable file not found in \\$PATH" >&2; exit 127; fi ;;
esac
exec "$@"`

/** What a runtime sets when it gives a terminal. */
const TERMINAL_ENV = { TERM: 'xterm' }

type Running = Extract<ContainerTarget['situation'], { kind: 'running' }>

/** Starts a command in a running container. */
export function startIn(
  { command }: Running,
  { argv, hasStdin, hasTty }: SessionOptions & { readonly argv: readonly string[] },
  tools: Pick<Tools, 'sh' | 'setsid'>,
): SessionProcess {
  const found = [tools.sh, '-c', FIND_SCRIPT, 'exec', ...argv]
  return new SessionProcess(command(found, hasTty ? TERMINAL_ENV : {}), { hasStdin, hasTty }, tools.setsid)
}

/** The same as a session of the API. */
export function execIn(
  running: Running,
  { command: argv, hasStdin, hasTty }: Omit<ExecRequest, 'container'>,
  tools: Pick<Tools, 'sh' | 'setsid'>,
): ExecSession {
  const session = startIn(running, { argv, hasStdin, hasTty }, tools)
  const exitCode = session.finished.then(codeOf)
  // The caller may have gone without asking for it.
  exitCode.catch(() => {})
  return {
    stdin: session.stdin,
    stdout: session.stdout,
    stderr: session.stderr,
    resize: (columns, rows) => session.resize(columns, rows),
    exitCode,
    kill: () => session.kill(),
  }
}

/** As shells count signals. @throws ApiError InternalError */
function codeOf(end: ProcessEnd): number {
  if (end.kind === 'exited') return end.code
  if (end.kind === 'killed') return 128 + constants.signals[end.signal]
  throw new ApiError('InternalError', `the command cannot be started: ${end.reason}`)
}
