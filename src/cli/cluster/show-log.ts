import { pipeline } from 'node:stream/promises'
import { MeshError, reasonOf } from '#shared/errors'
import type { KubeConnection } from '#shared/kube-client'
import type { Terminal } from '../print/index.ts'
import { type LogOrder, openLog } from './pods.ts'

const STOP: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Writes a container's log out; one that is followed until its end, or a signal. */
export async function showLog(connection: KubeConnection, order: LogOrder, terminal: Terminal): Promise<void> {
  const ending = new AbortController()
  const stop = terminal.onSignal(STOP, () => ending.abort())
  try {
    await copyLog(connection, order, terminal, ending.signal)
  } catch (error) {
    if (!ending.signal.aborted) throw error
  } finally {
    stop()
  }
}

/** As `showLog`, until `signal`. */
export async function copyLog(
  connection: KubeConnection,
  order: LogOrder,
  { stdout }: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const log = await openLog(connection, order, signal)
  try {
    await pipeline(log, stdout, { end: false })
  } catch (cause) {
    // Who read our output has enough.
    if (['EPIPE', 'ERR_STREAM_DESTROYED'].includes((cause as NodeJS.ErrnoException).code ?? '')) return
    const { namespace, name } = order.pod
    throw new MeshError('KUBE_API_UNREACHABLE', `the log of pod ${namespace}/${name} broke off: ${reasonOf(cause)}`, {
      cause,
    })
  }
}
