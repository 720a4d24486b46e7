import { MeshError } from '#shared/errors'
import {
  type ConnectTarget,
  describeRefusal,
  type RefusalStatus,
  type StreamPump,
  type TunnelRequest,
} from '#shared/hbone'
import type { HeaderList } from '#shared/http2'
import type { SpiffeId } from '#shared/model'
import { type ByteMeter, type CopyResult, type OnRead, type SocketAddress, SocketPipe } from '#shared/net'
import type { AcceptedSocket } from '../capture/index.ts'

export interface DirectFacts {
  readonly peer: SpiffeId
  /** The opener's own address and port. */
  readonly source: SocketAddress
  /** Where a tunnel would have been accepted. */
  readonly acceptedOn: SocketAddress
  readonly target: ConnectTarget
  readonly headers: HeaderList
}

/**
 * What a CONNECT between two pods of this process is without a tunnel: the inbound way decides about it and answers it as
 * any other, and what it accepts is a pipe from the captured socket to the application's.
 */
export class DirectRequest implements TunnelRequest, StreamPump {
  readonly peer: SpiffeId
  readonly source: SocketAddress
  readonly acceptedOn: SocketAddress
  readonly target: ConnectTarget
  readonly headers: HeaderList
  onCancelled: (() => void) | undefined
  readonly #accepted: AcceptedSocket
  readonly #pipe = new SocketPipe()
  readonly #copied: PromiseWithResolvers<CopyResult> = Promise.withResolvers()
  #isCancelled = false
  #isBound = false

  constructor(facts: DirectFacts, accepted: AcceptedSocket) {
    this.peer = facts.peer
    this.source = facts.source
    this.acceptedOn = facts.acceptedOn
    this.target = facts.target
    this.headers = facts.headers
    this.#accepted = accepted
  }

  get isCancelled(): boolean {
    return this.#isCancelled
  }

  get onread(): OnRead {
    return this.#pipe.targetOnread
  }

  /** Its time-out is one of tunnels: here the kernel tells of each end. */
  get isHalfOpen(): boolean {
    return false
  }

  get meter(): Readonly<ByteMeter> {
    return this.#pipe.meter
  }

  /** The end of the copying. Rejects with MeshError `TUNNEL_REFUSED` when it was refused, before the socket was taken. */
  get copied(): Promise<CopyResult> {
    return this.#copied.promise
  }

  accept(): StreamPump {
    return this
  }

  refuse(status: RefusalStatus): void {
    this.#copied.reject(new MeshError('TUNNEL_REFUSED', describeRefusal(String(status))))
  }

  bind(socket: Parameters<SocketPipe['bind']>[1]): Promise<CopyResult> {
    this.#isBound = true
    const copied = this.#pipe.bind(this.#accepted.adopt(this.#pipe.openerOnread), socket)
    this.#copied.resolve(copied)
    return copied
  }

  /** The destination's side ends it. */
  abort(): void {
    this.#pipe.abort()
  }

  /** The opener's side gives it up, at any time. */
  cancel(): void {
    if (this.#isCancelled) return
    this.#isCancelled = true
    if (this.#isBound) this.#pipe.abort()
    else this.onCancelled?.()
  }
}
