import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type H2ClientConnection, H2ErrorCode, type H2Stream, type HeaderList } from '#shared/http2'
import type { Cancellation } from '#shared/lifecycle'
import { headerValue } from './connect-headers.ts'
import { formatConnectTarget } from './connect-target.ts'
import { describeRefusal } from './refuse.ts'
import type { TunnelEnd } from './tunnel-end.ts'
import type { ConnectRequest } from './types.ts'

/** A CONNECT that was answered with 200. */
export interface OpenedTunnel {
  readonly stream: H2Stream
  readonly responseHeaders: HeaderList
}

/** The server has not looked at the request, so that it may be sent again (RFC 9113 §8.7). */
export class StreamRefused extends MeshError {}

/**
 * Sends one CONNECT and waits for its answer. Exactly 200 opens the tunnel.
 *
 * @param end a fresh one, which has the stream from then on
 * @param answerTimeoutMs how long the answer may take
 * @throws MeshError `TUNNEL_REFUSED`, `TUNNEL_LOST` (`StreamRefused` when it may be sent again),
 *   `TUNNEL_ANSWER_TIMEOUT`
 */
export function openTunnel(
  connection: H2ClientConnection,
  end: TunnelEnd,
  { authority, headers }: ConnectRequest,
  clock: Clock,
  answerTimeoutMs: number,
  cancellation: Cancellation | undefined,
): Promise<OpenedTunnel> {
  const { promise, resolve, reject } = Promise.withResolvers<OpenedTunnel>()
  const connect: HeaderList = [[':method', 'CONNECT'], [':authority', formatConnectTarget(authority)], ...headers]
  const stream = connection.request(connect, end)
  end.attach(stream)

  const settle = (): void => {
    timer.cancel()
    if (cancellation !== undefined) cancellation.onCancelled = undefined
    end.onAnswer = undefined
    end.onLost = undefined
  }
  const giveUp = (reason: unknown): void => {
    settle()
    end.abort()
    reject(reason)
  }
  const timer = clock.setTimer(answerTimeoutMs, () =>
    giveUp(new MeshError('TUNNEL_ANSWER_TIMEOUT', `no answer to CONNECT within ${answerTimeoutMs} ms`)),
  )
  if (cancellation !== undefined) cancellation.onCancelled = () => giveUp(givenUp())
  end.onLost = (code, reason) => {
    settle()
    const Failure = code === H2ErrorCode.REFUSED_STREAM ? StreamRefused : MeshError
    reject(new Failure('TUNNEL_LOST', `h2 failed: ${reason}`))
  }
  end.onAnswer = (responseHeaders) => {
    const status = headerValue(responseHeaders, ':status') ?? ''
    if (status !== '200') {
      giveUp(new MeshError('TUNNEL_REFUSED', describeRefusal(status)))
      return
    }
    settle()
    resolve({ stream, responseHeaders })
  }
  return promise
}

export function givenUp(): MeshError {
  return new MeshError('TUNNEL_LOST', 'given up')
}
