import type { Clock, Timer } from '#shared/clock'
import type { RequestHead } from '../codec/index.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1 / 1000,
  n: 1 / 1_000_000,
}
const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/

/** What a client of gRPC sets itself; undefined = nothing that can be read. */
export function grpcTimeoutMs(request: RequestHead): number | undefined {
  const [, digits, unit = ''] = GRPC_TIMEOUT.exec(request.fields.get('grpc-timeout') ?? '') ?? []
  return digits === undefined ? undefined : Number(digits) * (UNIT_MS[unit] ?? 0)
}

/** The shorter one of the rule's limit and, for gRPC, the client's own; undefined = no limit. */
export function timeoutOf(request: RequestHead, routeMs: number | undefined, isGrpc: boolean): number | undefined {
  const ownMs = isGrpc ? grpcTimeoutMs(request) : undefined
  if (ownMs === undefined) return routeMs
  return routeMs === undefined ? ownMs : Math.min(ownMs, routeMs)
}

/** What the next hop is told: what is left, rounded up to a ms so that it never ends before we do. */
export function writeGrpcTimeout(request: RequestHead, leftMs: number): void {
  const ms = Math.max(1, Math.ceil(leftMs))
  request.fields.set('grpc-timeout', ms < 100_000_000 ? `${ms}m` : `${Math.min(Math.ceil(ms / 1000), 99_999_999)}S`)
}

/** One limit of time for all attempts and the whole answer; it runs from `start` to `end`. */
export class Deadline {
  readonly #clock: Clock
  readonly #timeoutMs: number | undefined
  #dueMs: number | undefined
  #timer: Timer | undefined
  /** Whoever waits now. */
  onOver: (() => void) | undefined

  constructor(clock: Clock, timeoutMs: number | undefined) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /** The request is complete; once, and later calls change nothing. */
  start(): void {
    if (this.#timeoutMs === undefined || this.#timer !== undefined) return
    this.#dueMs = this.#clock.monotonicMs() + this.#timeoutMs
    this.#timer = this.#clock.setTimer(this.#timeoutMs, () => this.onOver?.())
  }

  /** Undefined = no limit; all of it while the request is not complete. */
  get leftMs(): number | undefined {
    if (this.#dueMs === undefined) return this.#timeoutMs
    return Math.max(0, this.#dueMs - this.#clock.monotonicMs())
  }

  end(): void {
    this.#timer?.cancel()
    this.onOver = undefined
  }
}
