import { formatSocketAddress } from '#shared/net'
import type { Logger } from '#shared/telemetry'
import type { ConnectionTable } from './connection-table.ts'

/** Connections that are named one by one; of the others there is the number. */
const MAX_NAMED = 20

/** Says what is still open when a drain begins: who waits for the end of a tunnel wants to know for what. */
export function tellOpen(connections: ConnectionTable, log: Logger): void {
  const open = connections.list()
  log.info('connections are open', { count: open.length })
  for (const { record } of open.slice(0, MAX_NAMED)) {
    const { podUid, direction, source, actualDestination, protocol } = record
    const [from, to] = [source, actualDestination].map(formatSocketAddress)
    log.info('is open', { pod: podUid, direction, from, to, protocol })
  }
}
