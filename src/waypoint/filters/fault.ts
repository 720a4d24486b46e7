import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { FaultPolicy, FaultStatus } from '#shared/l7'
import type { Cancellation } from '#shared/lifecycle'
import type { LocalReply } from '../codec/index.ts'

/** What is done to one request. */
export interface Fault {
  readonly delayMs: number
  readonly abort: FaultStatus | undefined
}

/** Delay and abort are drawn one by one. */
export function drawFault({ delay, abort }: FaultPolicy, random: () => number): Fault {
  return {
    delayMs: delay !== undefined && isDrawn(delay.percent, random) ? delay.durationMs : 0,
    abort: abort !== undefined && isDrawn(abort.percent, random) ? abort.status : undefined,
  }
}

/** @param random gives a number in [0, 1) */
export function isDrawn(percent: number, random: () => number): boolean {
  return percent >= 100 || random() * 100 < percent
}

/** gRPC clients get the code, all others what it means in HTTP. */
export function abortReply({ kind, code }: FaultStatus): LocalReply {
  return {
    kind: 'reply',
    status: kind === 'http' ? code : (HTTP_OF_GRPC[code] ?? 500),
    body: 'fault filter abort',
    fields: [],
    grpcStatus: kind === 'grpc' ? code : undefined,
    flag: 'FI',
    details: 'fault_filter_abort',
    cause: undefined,
  }
}

/** By the number of the gRPC code. */
const HTTP_OF_GRPC: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
]

/** @returns after the delay, or at once when the client goes: then a reply that nobody will get */
export function delay(clock: Clock, delayMs: number, cancellation: Cancellation): Promise<LocalReply | undefined> {
  if (cancellation.isCancelled) return Promise.resolve(clientGone())
  return new Promise((resolve) => {
    const timer = clock.setTimer(delayMs, () => {
      cancellation.onCancelled = undefined
      resolve(undefined)
    })
    cancellation.onCancelled = () => {
      timer.cancel()
      cancellation.onCancelled = undefined
      resolve(clientGone())
    }
  })
}

function clientGone(): LocalReply {
  const cause = new MeshError('CLIENT_GONE', 'the client went while its request was delayed')
  return {
    kind: 'reply',
    status: cause.spec.status,
    body: '',
    fields: [],
    grpcStatus: undefined,
    flag: 'DC',
    details: 'downstream_remote_disconnect',
    cause,
  }
}
