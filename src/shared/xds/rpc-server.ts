import { createServer, type ListenOptions, type Server as NetServer, type Socket } from 'node:net'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import {
  type ConnectionInjector,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { type Clock, sleep } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { readCertificates, readPrivateKey } from '#shared/pki'
import {
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  type RpcStatus,
  rpcCodes,
} from './rpc.ts'

/** Who calls, before anything about it is believed. */
export interface CallFacts {
  /** `ip:port`. */
  readonly peerAddress: string
  /** Of `authorization: Bearer …`. */
  readonly token: string | undefined
  /** Of `clusterid`. */
  readonly clusterId: string | undefined
}

/** The answering end of a stream. */
export interface ServerStream {
  /** @returns false when the peer reads more slowly than we write */
  send(bytes: Buffer): boolean
  /** Ends the call with that status; nothing may be sent after it. */
  end(status: RpcStatus): void
}

/** What the peer of a stream does; `closed` comes exactly once, last. */
export interface ServerStreamEvents {
  message(bytes: Buffer): void
  closed(): void
}

/** One call of a service, in bytes. */
export type RpcHandler =
  | {
      readonly kind: 'unary'
      readonly path: string
      /** Rejects with an `RpcStatus` inside a `StatusError`; anything else is answered as internal. */
      handle(call: CallFacts, request: Buffer, signal: AbortSignal): Promise<Buffer>
    }
  | {
      readonly kind: 'stream'
      readonly path: string
      /** Nothing of the stream is read before this resolves. Rejects as `handle` does. */
      open(call: CallFacts, stream: ServerStream): Promise<ServerStreamEvents>
    }

/** How a handler says with which status a call shall end. */
export class StatusError extends Error {
  override readonly name: string = 'StatusError'
  readonly status: RpcStatus

  constructor(status: RpcStatus) {
    super(status.message)
    this.status = status
  }
}

export interface ServerKeyPair {
  readonly keyPem: string
  /** Leaf first, then intermediates. */
  readonly certPem: string
}

export interface RpcServerSettings {
  readonly listen: ListenOptions
  readonly keyPair: ServerKeyPair
  readonly handlers: readonly RpcHandler[]
  readonly clock: Clock
  /** Default 10,000. */
  readonly maxConnections?: number
}

export interface RpcServer extends Closer {
  readonly port: number
  /** New hand-shakes get this certificate; connections that are open stay. */
  renew(keyPair: ServerKeyPair): void
  /** Accepts nothing new; calls may finish for so long, then are cut. */
  drain(deadlineMs: number): Promise<void>
}

const DEFAULT_MAX_CONNECTIONS = 10_000
const MAX_STREAMS_PER_CONNECTION = 100
/** What one HTTP/2 session may buffer: a state of the mesh that waits to be read, and a large request. */
const MAX_SESSION_MEGABYTES = 256
const TCP_KEEPALIVE_MS = 300_000

const passBytes = (bytes: Buffer): Buffer => bytes

/**
 * Several services on one TLS port. We accept the sockets ourselves and hand them to the gRPC library, so that their
 * number is bounded and any address, file descriptor or namespace can be listened on.
 *
 * @throws MeshError `CONFIG_INVALID` when the key pair cannot be used or the address not be listened on
 */
export async function startRpcServer(settings: RpcServerSettings): Promise<RpcServer> {
  const grpc = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.enable_channelz': 0,
    'grpc-node.max_session_memory': MAX_SESSION_MEGABYTES,
  })
  for (const handler of settings.handlers) register(grpc, handler)
  const credentials = new RenewableCredentials(settings.keyPair)
  const injector = grpc.createConnectionInjector(credentials)
  const listener = createServer({ keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS, noDelay: true })
  listener.maxConnections = settings.maxConnections ?? DEFAULT_MAX_CONNECTIONS
  const sockets = new Set<Socket>()
  listener.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // told to the session as its end
    injector.injectConnection(socket)
  })
  await listening(listener, settings.listen)
  return new RunningServer(grpc, injector, listener, sockets, credentials, settings.clock)
}

class RunningServer implements RpcServer {
  readonly port: number
  readonly #grpc: Server
  readonly #injector: ConnectionInjector
  readonly #listener: NetServer
  readonly #sockets: ReadonlySet<Socket>
  readonly #credentials: RenewableCredentials
  readonly #clock: Clock
  #ended: Promise<void> | undefined

  constructor(
    grpc: Server,
    injector: ConnectionInjector,
    listener: NetServer,
    sockets: ReadonlySet<Socket>,
    credentials: RenewableCredentials,
    clock: Clock,
  ) {
    const address = listener.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    this.#grpc = grpc
    this.#injector = injector
    this.#listener = listener
    this.#sockets = sockets
    this.#credentials = credentials
    this.#clock = clock
  }

  renew(keyPair: ServerKeyPair): void {
    this.#credentials.renew(keyPair)
  }

  close(): Promise<void> {
    return this.drain(0)
  }

  drain(deadlineMs: number): Promise<void> {
    this.#ended ??= this.#drain(deadlineMs)
    return this.#ended
  }

  async #drain(deadlineMs: number): Promise<void> {
    const done = new AbortController()
    const stopped = new Promise<void>((resolve) => this.#listener.close(() => resolve()))
    if (deadlineMs > 0) {
      this.#injector.drain(deadlineMs)
      const idle = stopped.then(() => done.abort())
      await Promise.race([idle, sleep(this.#clock, deadlineMs, done.signal).catch(() => {})])
    }
    done.abort()
    this.#injector.destroy()
    this.#grpc.forceShutdown()
    for (const socket of this.#sockets) socket.destroy()
    await stopped
  }
}

/** A key pair that can be exchanged while the server runs. */
class RenewableCredentials extends ServerCredentials {
  constructor(keyPair: ServerKeyPair) {
    super({}, contextOptions(keyPair))
  }

  renew(keyPair: ServerKeyPair): void {
    this.updateSecureContextOptions(contextOptions(keyPair))
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

/** Tried before the library sees it: from a bad renewal it would go on with no certificate at all. */
function contextOptions({ keyPem, certPem }: ServerKeyPair): SecureContextOptions {
  const options: SecureContextOptions = { key: keyPem, cert: certPem, minVersion: 'TLSv1.2' }
  try {
    const [leaf] = readCertificates(certPem)
    if (!leaf?.checkPrivateKey(readPrivateKey(keyPem))) throw new Error('they do not belong together')
    createSecureContext(options)
    return options
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `the server's key and certificate cannot be used: ${reasonOf(cause)}`, {
      cause,
    })
  }
}

function listening(listener: NetServer, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', (cause) =>
      reject(new MeshError('CONFIG_INVALID', `cannot listen: ${reasonOf(cause)}`, { cause })),
    )
    listener.listen(options, resolve)
  })
}

function register(grpc: Server, handler: RpcHandler): void {
  if (handler.kind === 'unary') {
    const unary = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
      const cancelled = new AbortController()
      call.on('cancelled', () => cancelled.abort())
      handler.handle(factsOf(call), call.request, cancelled.signal).then(
        (bytes) => reply(null, bytes),
        (error) => {
          const { code, message } = statusOf(error)
          reply({ code, details: message })
        },
      )
    }
    grpc.register(handler.path, unary, passBytes, passBytes, 'unary')
    return
  }
  const stream = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    let isOpen = true
    let events: ServerStreamEvents | undefined
    const closed = (): void => {
      if (!isOpen) return
      isOpen = false
      events?.closed()
    }
    const end = ({ code, message }: RpcStatus): void => {
      if (isOpen) call.emit('error', { code, details: message })
    }
    call.on('error', closed)
    call.on('cancelled', closed)
    handler.open(factsOf(call), { send: (bytes) => isOpen && call.write(bytes), end }).then(
      (opened) => {
        if (!isOpen) return opened.closed()
        events = opened
        call.on('data', (bytes: Buffer) => isOpen && opened.message(bytes))
        call.on('end', () => {
          closed()
          call.end()
        })
      },
      (error) => end(statusOf(error)),
    )
  }
  grpc.register(handler.path, stream, passBytes, passBytes, 'bidi')
}

function statusOf(error: unknown): RpcStatus {
  return error instanceof StatusError ? error.status : { code: rpcCodes.internal, message: 'internal error' }
}

function factsOf(call: { readonly metadata: Metadata; getPeer(): string }): CallFacts {
  const header = (name: string): string | undefined => {
    const [value] = call.metadata.get(name)
    return typeof value === 'string' ? value : undefined
  }
  const [, token] = /^Bearer (\S{1,16384})$/i.exec(header('authorization') ?? '') ?? []
  return { peerAddress: call.getPeer(), token, clusterId: header('clusterid') }
}
