import type { MeshError } from '#shared/errors'
import type { Closer, Drainable } from '#shared/lifecycle'
import type { InnerConnection } from '../listen/index.ts'

/**
 * The field lines of a message or its trailers: lower-case names, one code unit per octet, in the order in which they came.
 * What concerns only one hop (`connection`, `transfer-encoding`, `te`, …) is not among them: codecs read and write it.
 */
export interface Fields {
  /** The first value of that name. */
  get(name: string): string | undefined
  values(name: string): readonly string[]
  has(name: string): boolean
  /** Replaces every value of that name. */
  set(name: string, value: string): void
  add(name: string, value: string): void
  remove(name: string): void
  forEach(visit: (name: string, value: string) => void): void
  /** Changes of the one do not reach the other. */
  copy(): Fields
}

export type HttpVersion = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'

/** The canonical form of a request, whatever it came as. Filters change it in place before it is sent. */
export interface RequestHead {
  readonly version: HttpVersion
  /** Case matters; a token (RFC 9110 §9.1). */
  method: string
  scheme: 'http' | 'https'
  /** Host with or without port, in lower case; what `Host` and `:authority` both become. Empty only with HTTP/1.0. */
  authority: string
  /** Path with query; begins with `/`, or is `*`. Without fragment. */
  target: string
  /** Asked for by `Upgrade` or `:protocol`, in lower case (`websocket`); undefined = a plain request. */
  readonly upgrade: string | undefined
  readonly fields: Fields
}

export interface ResponseHead {
  readonly version: HttpVersion
  status: number
  readonly fields: Fields
}

/** One message's body, as it comes. It ends in exactly one of `sink.end` and `sink.abort`. */
export interface BodySource {
  /** As declared; 0 = there is none; undefined = nobody knows before it ends. */
  readonly lengthBytes: number | undefined
  /** Once. What has come is handed over first; nothing is read ahead of it beyond a small bound. */
  pipe(sink: BodySink): void
  /** Nobody wants it: what still comes is thrown away within a bound, or the connection closes behind the answer. */
  discard(): void
}

/** Where a body goes. */
export interface BodySink {
  /** Takes all of `bytes[start, end)`; false = no more before `onDrain`. */
  write(bytes: Uint8Array, start: number, end: number): boolean
  end(trailers: Fields | undefined): void
  /** The rest will not come: what the receiver has must not look complete. */
  abort(error: MeshError): void
  /** Set by the source. */
  onDrain: (() => void) | undefined
  /** Set by the source: nothing more is wanted; the source discards the rest. */
  onUnwanted: (() => void) | undefined
}

/** One request and its answer, as the client sees it. */
export interface Exchange {
  readonly connection: InnerConnection
  readonly request: RequestHead
  readonly body: BodySource
  /** Monotonic, when the head was complete. */
  readonly receivedAtMs: number
  /** A 1xx other than 101, passed on; what a client of HTTP/1.0 would not understand is dropped. */
  inform(head: ResponseHead): void
  /**
   * The final answer, once. 101 (or 200 to an HTTP/2 upgrade) makes both bodies raw bytes. A body that may not be there
   * (HEAD, 204, 304) is thrown away by the codec.
   */
  respond(head: ResponseHead, lengthBytes: number | undefined): BodySink
  /** Cuts it: a client that has not got all of the answer sees that. */
  abort(error: MeshError): void
  /** The client has gone before its answer was complete. Set once, by the pipeline. */
  onClientGone: (() => void) | undefined
  /** Octets on the client's side, for metrics: of both bodies. */
  readonly requestBytes: number
  readonly responseBytes: number
}

/** A client's connection whose requests are read, of either protocol. */
export interface ServedConnection extends Drainable, Closer {
  /** Exchanges under way. */
  readonly activeCount: number
}

/** A request under way to one endpoint. */
export interface UpstreamExchange {
  /** Takes the request's body; `end()` at once when there is none. */
  readonly body: BodySink
  /**
   * The final answer's head.
   *
   * @throws MeshError `UPSTREAM_REFUSED_STREAM` (not looked at), `UPSTREAM_RESET_BEFORE_REQUEST` (a reused connection went
   *   before a byte of the answer, nothing of the body was sent), `UPSTREAM_RESET`, `UPSTREAM_PROTOCOL`
   */
  readonly response: Promise<UpstreamResponse>
  /** Interim answers, 100 among them. */
  onInformational: ((head: ResponseHead) => void) | undefined
  /** Nobody waits any more. With HTTP/1 this costs the connection. */
  cancel(): void
}

export interface UpstreamResponse {
  readonly head: ResponseHead
  readonly body: BodySource
}

/** A client's connection to one endpoint, of either protocol. */
export interface HttpClientConnection {
  readonly protocol: 'http1' | 'http2'
  /** How many more requests may begin now; 0 for good behind GOAWAY, `Connection: close` or an upgrade. */
  readonly capacity: number
  readonly activeCount: number
  readonly isClosed: boolean
  /** @param hasBody false = the request ends with its head */
  send(request: RequestHead, lengthBytes: number | undefined): UpstreamExchange
  /** Begins no more requests, closes behind the last. */
  retire(): void
  destroy(): void
  /** `capacity` has grown, or the connection is gone. Set by the pool. */
  onChanged: (() => void) | undefined
}
