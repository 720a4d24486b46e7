import type { Command } from 'commander'
import { duration, integer } from '#shared/config'
import type { ApiObjectId } from '#shared/kube-client'
import type { LogOrder } from '../cluster/index.ts'
import { ofKind } from '../flags/index.ts'

export interface LogFlags {
  readonly container: string
  readonly follow?: boolean
  readonly previous?: boolean
  readonly timestamps?: boolean
  readonly tail?: number
  /** Milliseconds. */
  readonly since?: number
}

export function withLogFlags(command: Command): Command {
  return command
    .option('-c, --container <name>', 'container of the pod', '')
    .option('-f, --follow', 'go on until its end, or Ctrl-C')
    .option('-p, --previous', 'of the run before')
    .option('--timestamps', 'each line with its time')
    .option('--tail <lines>', 'only the last lines; -1 = all', ofKind(integer(-1, 1_000_000_000)))
    .option('--since <time>', 'only newer lines, e.g. 5m', ofKind(duration))
}

export function logOrder(pod: ApiObjectId, flags: LogFlags): LogOrder {
  const { container, follow = false, previous = false, timestamps = false, tail, since } = flags
  return {
    pod,
    container,
    follow,
    previous,
    timestamps,
    tailLines: tail === -1 ? undefined : tail,
    sinceSeconds: since === undefined ? undefined : Math.max(1, Math.ceil(since / 1000)),
  }
}
