import type { ListenOptions } from 'node:net'
import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { RpcStatus } from './rpc.ts'

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
  /** False once the call is over, whoever ended it. */
  readonly isOpen: boolean
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

/**
 * Several services on one TLS port.
 *
 * The gRPC library is loaded by this call and not before: whoever only asks (the tunnel) does without its memory.
 *
 * @throws MeshError `CONFIG_INVALID` when the key pair cannot be used or the address not be listened on
 */
export async function startRpcServer(settings: RpcServerSettings): Promise<RpcServer> {
  const { GrpcServer } = await import('./grpc-server.ts')
  return GrpcServer.start(settings)
}
