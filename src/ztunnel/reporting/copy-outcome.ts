import type { CopyResult } from '#shared/net'
import { type Outcome, SUCCESS } from './connection-reporter.ts'

/** How applications end connections without saying good-bye; ztunnel takes them as ends (hbone-and-ztunnel d.8). */
const ORDINARY_ENDS: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ENOTCONN'])

/** What a connection that carried bytes is called at its end. */
export function copyOutcome({ error }: CopyResult): Outcome {
  if (error === undefined || ORDINARY_ENDS.has((error as NodeJS.ErrnoException).code ?? '')) return SUCCESS
  return { error: `io error: ${error.message}`, flag: 'CONNECT' }
}
