import type { H2Limits } from '#shared/http2'

const KIB = 1024

/**
 * Of HTTP/2 inside a tunnel, where it differs from the tunnel's own. Streams are 100, as at the tunnel (istio-control-plane
 * c.2); a request's body waits in its window while its endpoint is slow, so windows are what a waypoint may have to hold:
 * 256 KiB of a request, 4 MiB of a connection.
 */
export const INNER_LIMITS: Partial<H2Limits> = {
  streamWindowBytes: 256 * KIB,
  connectionWindowBytes: 4096 * KIB,
  maxFrameBytes: 64 * KIB,
  maxConcurrentStreams: 100,
  isExtendedConnectEnabled: true,
  // The tunnel around it has its own.
  pingIntervalMs: 0,
  // Whoever asks and does not read holds an endpoint's answer, too.
  stalledWindowTimeoutMs: 300_000,
}

/** The same towards endpoints; whoever reaches one without a tunnel asks for PING where its policy says so. */
export const ENDPOINT_LIMITS: Partial<H2Limits> = {
  streamWindowBytes: 256 * KIB,
  connectionWindowBytes: 4096 * KIB,
  maxFrameBytes: 64 * KIB,
  pingIntervalMs: 0,
  stalledWindowTimeoutMs: 300_000,
}

/** Requests at once on one connection, while the peer has not said how many it takes. */
export const UNTOLD_MAX_STREAMS = 100
