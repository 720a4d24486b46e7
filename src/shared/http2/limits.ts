import type { H2Limits } from './types.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** What both ends share. Windows and frame size are ztunnel's (reference/hbone-and-ztunnel d.5). */
const shared = {
  streamWindowBytes: 4 * MIB,
  connectionWindowBytes: 16 * MIB,
  maxFrameBytes: 1 * MIB,
  maxHeaderFields: 256,
  headerTableBytes: 4 * KIB,
  maxContinuations: 16,
  // Above what connection churn of a busy node causes (4–5 thousand tunnels a second, a part of them cut short),
  // far below what makes a rapid reset pay.
  resetsPerSecond: 1000,
  // gRPC and hyper probe the bandwidth with a few PINGs a second at most.
  pingsPerSecond: 100,
  settingsPerSecond: 20,
  emptyDataPerSecond: 1000,
  // Beyond those that the DATA we sent entitles to: see `Guards.onDataSent`.
  windowUpdatesPerSecond: 1000,
  ignoredFramesPerSecond: 1000,
  // Two hot slabs of 256 KiB; half of the connection's bound is kept for small writes of other streams.
  maxQueuedStreamBytes: 512 * KIB,
  maxQueuedConnectionBytes: 1 * MIB,
  firstSettingsTimeoutMs: 10_000,
  settingsAckTimeoutMs: 10_000,
  headerBlockTimeoutMs: 10_000,
  stalledWindowTimeoutMs: 0,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
  isExtendedConnectEnabled: false,
} as const satisfies Partial<H2Limits>

/** Of a server: up to 200 streams and 64 KiB of decoded header, as ztunnel's. */
export const serverLimits: H2Limits = { ...shared, maxConcurrentStreams: 200, maxHeaderListBytes: 64 * KIB }

/** Of a client: no pushed streams, and answers need less header than requests. */
export const clientLimits: H2Limits = { ...shared, maxConcurrentStreams: 0, maxHeaderListBytes: 64 * KIB }
