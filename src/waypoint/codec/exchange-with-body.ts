import type { MeshError } from '#shared/errors'
import type { InnerConnection } from '../listen/index.ts'
import type { BodySink, BodySource, Exchange, RequestHead, ResponseHead } from './types.ts'

/** The same exchange, of which somebody listens to the body. */
export class ExchangeWithBody implements Exchange {
  readonly #exchange: Exchange
  readonly body: BodySource

  constructor(exchange: Exchange, body: BodySource) {
    this.#exchange = exchange
    this.body = body
  }

  get connection(): InnerConnection {
    return this.#exchange.connection
  }

  get request(): RequestHead {
    return this.#exchange.request
  }

  get receivedAtMs(): number {
    return this.#exchange.receivedAtMs
  }

  get requestBytes(): number {
    return this.#exchange.requestBytes
  }

  get responseBytes(): number {
    return this.#exchange.responseBytes
  }

  get onClientGone(): (() => void) | undefined {
    return this.#exchange.onClientGone
  }

  set onClientGone(listener: (() => void) | undefined) {
    this.#exchange.onClientGone = listener
  }

  inform(head: ResponseHead): void {
    this.#exchange.inform(head)
  }

  respond(head: ResponseHead, lengthBytes: number | undefined): BodySink {
    return this.#exchange.respond(head, lengthBytes)
  }

  abort(error: MeshError): void {
    this.#exchange.abort(error)
  }
}
