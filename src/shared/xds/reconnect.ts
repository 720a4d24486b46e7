import type { Clock } from '#shared/clock'
import { type RpcStatus, rpcCodes } from './rpc.ts'

/** How a try to hold a stream to the control plane ended. */
export type StreamEnd =
  | { readonly kind: 'not-opened'; readonly reason: string }
  /** `worked`: at least one response had come. */
  | { readonly kind: 'ended'; readonly worked: boolean; readonly status: RpcStatus }

/** Label values of `istio_xds_connection_terminations_total`. */
export type TerminationReason = 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete'

const FIRST_MS = 10
const MAX_MS = 15_000
const JITTER = 0.5
/** At the start, when the control plane may come up a moment later than we: no longer than so, for so many tries (10 s). */
const START_MAX_MS = 150
const START_TRIES = 64
/** Within so long all come back whose control plane went. */
const QUIET_SPREAD_MS = 190

/** Ways in which a control plane that restarts, or limits the age of connections, ends streams that were well. */
const quietCodes: ReadonlySet<number> = new Set([
  rpcCodes.unknown,
  rpcCodes.cancelled,
  rpcCodes.deadlineExceeded,
  rpcCodes.unavailable,
])

export function terminationReason(end: StreamEnd): TerminationReason {
  if (end.kind === 'not-opened') return 'ConnectionError'
  if (end.status.code === rpcCodes.ok) return 'Complete'
  return end.worked && quietCodes.has(end.status.code) ? 'Reconnect' : 'Error'
}

/**
 * How long to wait before the next try: 10 to 200 ms after a stream that worked and was ended in an ordinary way; otherwise
 * doubling before each wait, 20 ms, 40 ms … 15 s, spread by ±50 %. All nodes of a mesh lose their control plane in the same
 * moment, and must not be back in the same moment: nothing that they carry waits for it. One that has just started is alone
 * with that, and its pods do wait: until its first stream it stays at 150 ms, for the first 10 s.
 * A stream that ended before its first response counts as a failure, or a confused server would be asked in a loop.
 */
export class ReconnectDelay {
  readonly #clock: Clock
  #lastMs = FIRST_MS
  #startTries = START_TRIES

  constructor(clock: Clock) {
    this.#clock = clock
  }

  next(end: StreamEnd): number {
    const reason = terminationReason(end)
    if (end.kind === 'ended') this.#startTries = 0
    const isQuiet = reason === 'Reconnect' || (end.kind === 'ended' && end.worked && reason === 'Complete')
    if (isQuiet) {
      this.#lastMs = FIRST_MS
      return FIRST_MS + QUIET_SPREAD_MS * this.#clock.random()
    }
    const isStart = this.#startTries > 0
    if (isStart) this.#startTries--
    this.#lastMs = Math.min(this.#lastMs * 2, isStart ? START_MAX_MS : MAX_MS)
    return this.#lastMs * (1 + JITTER * (2 * this.#clock.random() - 1))
  }
}
