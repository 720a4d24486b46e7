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
import { readCertificates, readPrivateKey } from '#shared/pki'
import {
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  type RpcStatus,
  rpcCodes,
} from './rpc.ts'
import {
  type CallFacts,
  type RpcHandler,
  type RpcServer,
  type RpcServerSettings,
  type ServerKeyPair,
  type ServerStream,
  type ServerStreamEvents,
  StatusError,
} from './rpc-server.ts'

const DEFAULT_MAX_CONNECTIONS = 10_000
const MAX_STREAMS_PER_CONNECTION = 100
/** What one HTTP/2 session may buffer: a state of the mesh that waits to be read, and a large request. */
const MAX_SESSION_MEGABYTES = 256
const TCP_KEEPALIVE_MS = 300_000
const HANDSHAKE_TIMEOUT_MS = 10_000
/** A connection without calls is given up; clients of ours do so sooner. */
const IDLE_TIMEOUT_MS = 300_000

const passBytes = (bytes: Buffer): Buffer => bytes

/**
 * The gRPC library behind sockets that we accept ourselves, so that their number is bounded and any address, file
 * descriptor or namespace can be listened on.
 */
export class GrpcServer implements RpcServer {
  readonly port: number
  readonly #grpc: Server
  readonly #injector: ConnectionInjector
  readonly #listener: NetServer
  readonly #sockets: ReadonlySet<Socket>
  readonly #credentials: RenewableCredentials
  readonly #clock: Clock
  #ended: Promise<void> | undefined

  static async start(settings: RpcServerSettings): Promise<GrpcServer> {
    const grpc = new Server({
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
      'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_connection_idle_ms': IDLE_TIMEOUT_MS,
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
    return new GrpcServer(grpc, injector, listener, sockets, credentials, settings.clock)
  }

  private constructor(
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
    super({ handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, contextOptions(keyPair))
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
    const answering: ServerStream = {
      get isOpen() {
        return isOpen
      },
      send: (bytes) => isOpen && call.write(bytes),
      end,
    }
    handler.open(factsOf(call), answering).then(
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
