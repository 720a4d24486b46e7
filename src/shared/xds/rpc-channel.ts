import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { H2ClientConnection, HeaderList } from '#shared/http2'
import type { ControlPlaneEndpoint } from './endpoint.ts'
import { GrpcCall, type RpcStreamEvents } from './grpc-call.ts'
import { addressOf, connectControlPlane } from './grpc-connection.ts'
import { RpcError, type RpcStatus, rpcCodes } from './rpc.ts'

type Headers = readonly (readonly [name: string, value: string])[]

/**
 * A connection that nobody uses is given up: servers count PINGs on idle connections as abuse, and the next call is
 * minutes or hours away.
 */
const IDLE_TIMEOUT_MS = 5_000

/**
 * Calls to one control plane over one connection, which is made for the first call and again after it was lost. It is
 * gRPC on the engine that the tunnels use: the usual library would bring a second engine into the tunnel's process, about
 * 4 MB and 40 ms of its start, and decide by itself when to connect again.
 */
export class RpcChannel {
  readonly #endpoint: ControlPlaneEndpoint
  readonly #rootsPem: string | undefined
  readonly #clock: Clock
  #connection: Promise<H2ClientConnection> | undefined
  /** What `#connection` has become. */
  #established: H2ClientConnection | undefined
  #idle: Timer | undefined
  #callCount = 0
  #isClosed = false

  /** @param rootsPem undefined = the roots of the operating system */
  constructor(endpoint: ControlPlaneEndpoint, rootsPem: string | undefined, clock: Clock) {
    this.#endpoint = endpoint
    this.#rootsPem = rootsPem
    this.#clock = clock
  }

  /** Opens a call; that there is no connection comes as `ended`, status 14. */
  stream(path: string, headers: Headers, events: RpcStreamEvents): GrpcCall {
    this.#idle?.cancel()
    this.#callCount++
    const call = new GrpcCall(this.#headersOf(path, headers), {
      opened: () => events.opened(),
      message: (bytes) => events.message(bytes),
      ended: (status) => {
        this.#callCount--
        this.#watchIdle()
        events.ended(status)
      },
    })
    this.#connect()
      .then(
        (connection) => call.start(connection),
        (error) => call.cancel(unavailable(error)),
      )
      .catch((error) => call.cancel(unavailable(error)))
    return call
  }

  /** @throws RpcError; a deadline is status 4 */
  unary(path: string, headers: Headers, request: Buffer, timeoutMs: number, signal?: AbortSignal): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    let reply: Buffer | undefined
    const call = this.stream(path, [...headers, ['grpc-timeout', `${Math.ceil(timeoutMs)}m`]], {
      opened: () => {},
      message: (bytes) => {
        reply ??= bytes
      },
      ended: (status) => {
        if (status.code === rpcCodes.ok && reply !== undefined) resolve(reply)
        else reject(new RpcError(status.code === rpcCodes.ok ? NO_REPLY : status))
      },
    })
    call.send(request)
    call.end()
    const timer = this.#clock.setTimer(timeoutMs, () =>
      call.cancel({ code: rpcCodes.deadlineExceeded, message: `no answer within ${timeoutMs} ms` }),
    )
    const abort = (): void => call.cancel()
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    return promise.finally(() => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
    })
  }

  /** Ends the connection, and with it every call. */
  close(): void {
    this.#isClosed = true
    this.#giveUp()
  }

  /** The connection that is there or being made; another one when it takes no new calls any more. */
  #connect(): Promise<H2ClientConnection> {
    const isSpent = this.#established !== undefined && !this.#established.isUsable
    if (this.#connection !== undefined && !isSpent) return this.#connection
    const connecting = connectControlPlane(this.#endpoint, this.#rootsPem, this.#clock)
    this.#connection = connecting
    this.#established = undefined
    const forget = (): void => {
      if (this.#connection === connecting) this.#connection = undefined
    }
    connecting.then((connection) => {
      connection.onClosed = forget
      if (this.#connection === connecting) this.#established = connection
      else void connection.close()
    }, forget)
    return connecting
  }

  #watchIdle(): void {
    if (this.#callCount > 0 || this.#isClosed) return
    this.#idle?.cancel()
    this.#idle = this.#clock.setTimer(IDLE_TIMEOUT_MS, () => this.#giveUp())
  }

  #giveUp(): void {
    this.#idle?.cancel()
    const connection = this.#connection
    this.#connection = undefined
    connection?.then(
      (open) => open.close(),
      () => {},
    )
  }

  #headersOf(path: string, headers: Headers): HeaderList {
    return [
      [':method', 'POST'],
      [':scheme', 'https'],
      [':path', path],
      [':authority', addressOf(this.#endpoint)],
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
      ['user-agent', 'ambit'],
      ...headers.map(([name, value]): HeaderList[number] =>
        name === 'authorization' ? [name, value, true] : [name, value],
      ),
    ]
  }
}

const NO_REPLY: RpcStatus = { code: rpcCodes.internal, message: 'OK without a reply' }

function unavailable(error: unknown): RpcStatus {
  return { code: rpcCodes.unavailable, message: reasonOf(error) }
}
