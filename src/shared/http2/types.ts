import type { Closer, Drainable } from '#shared/lifecycle'
import type { ByteMeter, Slab } from '#shared/net'

/**
 * One header field; names are lower case, pseudo-headers first; one code unit per octet. `neverIndexed` marks a secret
 * that came, or shall go out, as a never-indexed literal and stays one when it is passed on (RFC 7541 §7.1.3).
 */
export type HeaderField = readonly [name: string, value: string, neverIndexed?: true]
export type HeaderList = readonly HeaderField[]

/** RFC 9113 §7. */
export const H2ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const
export type H2ErrorCode = (typeof H2ErrorCode)[keyof typeof H2ErrorCode]

/** The 9 bytes before each payload (RFC 9113 §4.1). */
export const FRAME_HEADER_BYTES = 9

/** What the owner of a stream is told. Calls come in this order: headers, data…, end; or reset at any time, last. */
export interface H2StreamHandler {
  /** Client: the final response's header. Interim (1xx) responses come through `onInformational`. */
  onHeaders?(headers: HeaderList, isEnd: boolean): void
  onInformational?(headers: HeaderList): void
  /**
   * Payload `slab.buffer[start, end)`. It is valid during the call; retain the slab to keep it. Window credit is
   * given back only by `stream.consumed(end - start)`, so whoever is slow holds its own stream only.
   */
  onData(slab: Slab, start: number, end: number): void
  /** END_STREAM arrived, with the header, the payload or trailers: nothing more will come. */
  onEnd(trailers: HeaderList | undefined): void
  /** The stream is gone: RST_STREAM, a lost connection, or a guard; `code` says which. No call follows. */
  onReset(code: number, reason: string): void
  /** `write` can take bytes again after it took less than it was offered. */
  onWritable(): void
}

/** One HTTP/2 stream. */
export interface H2Stream {
  readonly id: number
  readonly connection: H2Connection
  /** Neither side has ended or reset it completely. */
  readonly isOpen: boolean
  /** Server only: the response's header, once. */
  respond(headers: HeaderList, isEnd?: boolean): void
  /** Server only: an interim 1xx header. */
  respondInformational(headers: HeaderList): void
  /** How many payload bytes can be taken now: both windows and the queue bounds. 0 = wait for `onWritable`. */
  readonly writableBytes: number
  /** Copies up to `writableBytes` of `bytes[start, end)` into the connection's batch; returns how many were taken. */
  write(bytes: Uint8Array, start: number, end: number): number
  /**
   * Zero copy: the payload lies at `slab.buffer[9, end)`, the 9 bytes before it are overwritten with the frame
   * header. Takes all or nothing: `taken` = the engine holds its own reference until it is on the wire; `wait` = the
   * queue is full, try again on `onWritable`; `copy` = frame size or windows do not take it whole, use `write`.
   */
  writeInPlace(slab: Slab, end: number): 'taken' | 'wait' | 'copy'
  /** Ends this side, after what was written. */
  end(trailers?: HeaderList): void
  /** RST_STREAM; no handler call follows. */
  reset(code: H2ErrorCode): void
  /** The receiver has disposed of `bytes` of payload: gives window credit back. */
  consumed(bytes: number): void
}

/** Either end of a connection. */
export interface H2Connection extends Drainable, Closer {
  readonly role: 'client' | 'server'
  /** Open streams, both ways. */
  readonly streamCount: number
  /** Accepts new streams: no GOAWAY seen or sent, not closed. */
  readonly isUsable: boolean
  /** Peer's SETTINGS_MAX_CONCURRENT_STREAMS; Infinity until it is known or when the peer gives no limit. */
  readonly peerMaxConcurrentStreams: number
  /** Bytes on the wire, frame headers included. */
  readonly meter: Readonly<ByteMeter>
  /** Called once, when the connection is gone; `reason` is for a log line. */
  onClosed: ((reason: string) => void) | undefined
  /** GOAWAY with `code`, then cuts at once; every open stream gets `onReset`. */
  abort(code: H2ErrorCode, reason: string): void
}

export interface H2ClientConnection extends H2Connection {
  /** The peer has said that it takes CONNECT with `:protocol` (RFC 8441). */
  readonly isExtendedConnectTaken: boolean
  /** The peer has changed its settings or said GOAWAY: other numbers of streams may run. */
  onPeerChanged: (() => void) | undefined
  /**
   * Opens a stream. Throws MeshError `TUNNEL_LOST` (retry `unsent` is safe: nothing was sent) when not usable.
   */
  request(headers: HeaderList, handler: H2StreamHandler, isEnd?: boolean): H2Stream
}

/** Called for each request whose header block is complete and well-formed; returns who handles its stream. */
export type H2RequestListener = (stream: H2Stream, headers: HeaderList, isEnd: boolean) => H2StreamHandler

/** Advertised settings, bounds and time-outs of one end. Every number has a default in `limits.ts`. */
export interface H2Limits {
  /** SETTINGS_INITIAL_WINDOW_SIZE, bytes. ztunnel: 4 MiB. */
  readonly streamWindowBytes: number
  /** Connection window, bytes. ztunnel: 16 MiB. */
  readonly connectionWindowBytes: number
  /** SETTINGS_MAX_FRAME_SIZE, bytes. ztunnel: 1 MiB. */
  readonly maxFrameBytes: number
  /** SETTINGS_MAX_HEADER_LIST_SIZE, bytes; decoded fields are counted as RFC 9113 §6.5.2 says. */
  readonly maxHeaderListBytes: number
  /** Decoded fields of one header block, cookie crumbs included. */
  readonly maxHeaderFields: number
  /** SETTINGS_MAX_CONCURRENT_STREAMS. ztunnel's server: 200. */
  readonly maxConcurrentStreams: number
  /** SETTINGS_HEADER_TABLE_SIZE that we decode with, bytes. */
  readonly headerTableBytes: number
  /** CONTINUATION frames of one header block. */
  readonly maxContinuations: number
  /** Frames a second, with a burst of the same size, for each kind that a peer can abuse. */
  readonly resetsPerSecond: number
  readonly pingsPerSecond: number
  readonly settingsPerSecond: number
  readonly emptyDataPerSecond: number
  /** Besides those that the DATA we sent entitles the peer to. */
  readonly windowUpdatesPerSecond: number
  /** PRIORITY, unknown types, frames for streams that are gone, interim responses. */
  readonly ignoredFramesPerSecond: number
  /** Bytes queued for the wire by one stream, and by all streams of the connection. */
  readonly maxQueuedStreamBytes: number
  readonly maxQueuedConnectionBytes: number
  /** Preface and first SETTINGS must arrive within this time. */
  readonly firstSettingsTimeoutMs: number
  readonly settingsAckTimeoutMs: number
  /** A header block, once begun, must end within this time. */
  readonly headerBlockTimeoutMs: number
  /** A stream that has bytes to send but gets no window for this long is reset; 0 = never (tunnels stay open). */
  readonly stalledWindowTimeoutMs: number
  /** PING every so often, and give up when no ACK came in time; 0 = no keepalive. ztunnel: 10 s / 20 s. */
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  /** Takes CONNECT with `:protocol` (RFC 8441); without, such a stream is reset with PROTOCOL_ERROR. */
  readonly isExtendedConnectEnabled: boolean
}
