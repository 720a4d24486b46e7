import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { DrainOrder } from '#shared/lifecycle'
import type { ByteMeter } from '#shared/net'
import { BlockedStreams } from './blocked-streams.ts'
import { ClosedStreams, type ResetBy } from './closed-streams.ts'
import { FrameWriter } from './frame-writer.ts'
import { DEFAULT_WINDOW_BYTES, MIN_MAX_FRAME_BYTES } from './frames.ts'
import { DRAIN_PING, GracefulEnd } from './graceful-end.ts'
import { Guards } from './guards.ts'
import { connectionError, H2Error } from './h2-error.ts'
import { Intake } from './intake.ts'
import { Keepalive } from './keepalive.ts'
import { SendQueue } from './send-queue.ts'
import { announcedSettings, type Role, Setting, type SettingPair } from './settings.ts'
import type { Stream } from './stream.ts'
import { StreamTable } from './stream-table.ts'
import type { Transport, TransportOwner } from './transport.ts'
import { type H2Connection, H2ErrorCode, type H2Limits, type HeaderList } from './types.ts'
import { ReceiveWindow, SendWindow } from './windows.ts'

/** Resets that are remembered for late frames. */
const REMEMBERED_RESETS = 1024
/** How long a peer may take to close behind our FIN, and the last words of an abort to leave. */
const LINGER_MS = 1_000
/** How long streams that have ended may take to leave the queue when their connection closes gracefully. */
const FLUSH_MS = 30_000

const KEEPALIVE_PING: Buffer = Buffer.from('keepaliv')

/**
 * `open` → `draining` (GOAWAY sent or received: running streams go on) → `closing` (all streams gone, last bytes
 * leave) → `closed` (transport gone). `abort` and errors go to `closing` at once.
 */
type Phase = 'open' | 'draining' | 'closing' | 'closed'

export interface ConnectionOptions {
  readonly limits: H2Limits
  readonly clock: Clock
}

/** What both ends share: the transport, windows, settings, streams and the way to the end. */
export abstract class Connection implements H2Connection, TransportOwner {
  readonly role: Role
  readonly limits: H2Limits
  readonly clock: Clock
  readonly guards: Guards
  readonly queue: SendQueue
  readonly writer: FrameWriter
  readonly streams: StreamTable = new StreamTable()
  readonly closedStreams: ClosedStreams = new ClosedStreams(REMEMBERED_RESETS)
  readonly sendWindow: SendWindow = new SendWindow(DEFAULT_WINDOW_BYTES)
  readonly receiveWindow: ReceiveWindow
  readonly meter: ByteMeter = { sentBytes: 0, receivedBytes: 0 }
  onClosed: ((reason: string) => void) | undefined
  onPeerChanged: (() => void) | undefined
  isExtendedConnectTaken = false

  peerInitialWindowBytes: number = DEFAULT_WINDOW_BYTES
  peerMaxConcurrentStreams: number = Number.POSITIVE_INFINITY
  /** What a new stream may receive; until our SETTINGS are acknowledged the peer may go by the default. */
  receiveWindowBytes: number
  /** Highest id of a stream that the peer has opened. */
  lastPeerStreamId = 0

  readonly #transport: Transport
  readonly #intake: Intake
  readonly #keepalive: Keepalive
  readonly #blocked: BlockedStreams = new BlockedStreams(this)
  readonly #gracefulEnd: GracefulEnd = new GracefulEnd(this)
  #phase: Phase = 'open'
  #closeReason = ''
  #closed: PromiseWithResolvers<void> = Promise.withResolvers()
  #firstSettingsTimer: Timer | undefined
  #settingsAckTimer: Timer | undefined
  #lingerTimer: Timer | undefined

  constructor(transport: Transport, role: Role, { limits, clock }: ConnectionOptions) {
    this.role = role
    this.limits = limits
    this.clock = clock
    this.#transport = transport
    this.guards = new Guards(limits, clock)
    this.receiveWindow = new ReceiveWindow(Math.max(limits.connectionWindowBytes, DEFAULT_WINDOW_BYTES))
    this.receiveWindowBytes = Math.max(limits.streamWindowBytes, DEFAULT_WINDOW_BYTES)
    this.queue = new SendQueue(
      (bytes, onWritten) => {
        if (role === 'client') this.meter.sentBytes += bytes.length
        else this.meter.receivedBytes += bytes.length
        transport.write(bytes, onWritten)
      },
      () => this.#onWriteProgress(),
    )
    this.writer = new FrameWriter(this.queue, MIN_MAX_FRAME_BYTES, limits.headerTableBytes)
    this.#intake = new Intake(this)
    this.#keepalive = new Keepalive(
      clock,
      limits.pingIntervalMs,
      limits.pingTimeoutMs,
      () => this.writer.ping(KEEPALIVE_PING, false),
      () => this.abort(H2ErrorCode.NO_ERROR, 'no answer to PING'),
    )
  }

  /** Says hello and begins to read. Apart from the constructor, so that a subclass is whole before bytes come. */
  start(): void {
    const { limits } = this
    if (this.role === 'client') this.writer.preface()
    this.writer.settings(announcedSettings(limits, this.role))
    const increment = limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES
    if (increment > 0) this.writer.windowUpdate(0, increment)
    this.#firstSettingsTimer = this.clock.setTimer(limits.firstSettingsTimeoutMs, () =>
      this.abort(H2ErrorCode.SETTINGS_TIMEOUT, 'no SETTINGS in time'),
    )
    this.#settingsAckTimer = this.clock.setTimer(limits.settingsAckTimeoutMs, () =>
      this.abort(H2ErrorCode.SETTINGS_TIMEOUT, 'SETTINGS not acknowledged in time'),
    )
    this.#keepalive.start()
    this.#transport.start(this.#intake.buffer, this)
  }

  get streamCount(): number {
    return this.streams.size
  }

  get isUsable(): boolean {
    return this.#phase === 'open'
  }

  get isClosing(): boolean {
    return this.#phase === 'closing' || this.#phase === 'closed'
  }

  // ---- sending, asked by streams

  /** Bytes of DATA that a stream with `queuedBytes` in the queue may add by copying. */
  queueRoom(queuedBytes: number): number {
    return Math.min(
      this.limits.maxQueuedStreamBytes - queuedBytes,
      this.limits.maxQueuedConnectionBytes - this.queue.queuedBytes,
    )
  }

  /**
   * Bulk may fill half of the connection's queue; the other half is kept for small writes of other streams. One piece is
   * always taken, however large.
   */
  hasRoomInPlace(queuedBytes: number, bytes: number): boolean {
    return (
      (queuedBytes === 0 || queuedBytes + bytes <= this.limits.maxQueuedStreamBytes) &&
      this.queue.queuedBytes * 2 <= this.limits.maxQueuedConnectionBytes
    )
  }

  /** `stream` has more to send than it may: it is told when it can go on. */
  block(stream: Stream): void {
    if (!this.isClosing) this.#blocked.add(stream)
  }

  /** `bytes` of payload have been disposed of, whatever stream they came on. */
  consumed(bytes: number): void {
    const increment = this.receiveWindow.consume(bytes)
    if (increment > 0 && !this.isClosing) this.writer.windowUpdate(0, increment)
  }

  // ---- streams

  /** A server's answer to a new request; a client refuses. */
  abstract onRequest(streamId: number, headers: HeaderList, isEnd: boolean): void

  /** A new request whose header was over a limit; a client refuses. */
  abstract refuseRequest(streamId: number, reason: string): void

  /** Whether a stream with this id was never opened (RFC 9113 §5.1 idle). */
  abstract isIdle(streamId: number): boolean

  /** Whether our GOAWAY lets this peer stream through. */
  accepts(streamId: number): boolean {
    return streamId <= this.#gracefulEnd.acceptsUpTo && !this.isClosing
  }

  /** Drops a stream that was reset, by whom ever; its handler is not told. */
  forget(stream: Stream, by: ResetBy): void {
    this.closedStreams.rememberReset(stream.id, by)
    stream.wasReset = true
    stream.move('reset')
    stream.letGo()
  }

  /** A stream has come to its end and leaves. */
  onStreamEnded(stream: Stream): void {
    this.streams.delete(stream.id)
    this.#blocked.delete(stream)
    this.closeWhenEmpty()
  }

  /** Resets a stream for its peer's fault, which is counted, and tells its owner. */
  resetForFault(streamId: number, code: H2ErrorCode, reason: string): void {
    this.guards.count('reset')
    const stream = this.streams.get(streamId)
    this.writer.rstStream(streamId, code)
    if (stream === undefined) this.closedStreams.rememberReset(streamId, 'us')
    else {
      this.forget(stream, 'us')
      stream.handler?.onReset(code, reason)
    }
  }

  // ---- what the peer says about the connection

  /** @throws H2Error when the change makes a window too large */
  onPeerSettings(pairs: readonly SettingPair[]): void {
    this.#firstSettingsTimer?.cancel()
    for (const [id, value] of pairs) {
      if (id === Setting.HEADER_TABLE_SIZE) this.writer.setPeerTableBytes(value)
      else if (id === Setting.MAX_CONCURRENT_STREAMS) this.peerMaxConcurrentStreams = value
      else if (id === Setting.MAX_FRAME_SIZE) this.writer.maxFrameBytes = value
      else if (id === Setting.INITIAL_WINDOW_SIZE) this.#changePeerWindow(value)
      else if (id === Setting.ENABLE_CONNECT_PROTOCOL) this.isExtendedConnectTaken = value === 1
    }
    this.writer.settingsAck()
    this.wake()
    this.onPeerChanged?.()
  }

  onSettingsAck(): void {
    this.#settingsAckTimer?.cancel()
    this.#settingsAckTimer = undefined
    const size = this.limits.streamWindowBytes
    if (size === this.receiveWindowBytes) return
    this.receiveWindowBytes = size
    for (const stream of this.streams.streams()) stream.resizeReceiveWindow(size)
  }

  onPingAck(payload: Buffer): void {
    if (payload.equals(KEEPALIVE_PING)) this.#keepalive.onAck()
    else if (payload.equals(DRAIN_PING)) this.#gracefulEnd.announceLast()
    else this.guards.count('ignored')
  }

  /** Streams above `lastStreamId` were not looked at; the rest goes on (RFC 9113 §6.8). */
  onGoaway(lastStreamId: number, code: number, debug: string): void {
    const isOurs = (id: number): boolean => id % 2 === (this.role === 'client' ? 1 : 0)
    this.#setCloseReason(`peer sent GOAWAY ${code} ${JSON.stringify(debug)}`)
    for (const stream of this.streams.streams()) {
      if (!isOurs(stream.id) || stream.id <= lastStreamId) continue
      this.forget(stream, 'peer')
      stream.handler?.onReset(H2ErrorCode.REFUSED_STREAM, 'not processed before GOAWAY')
    }
    if (this.#phase === 'open') this.#phase = 'draining'
    this.onPeerChanged?.()
    this.closeWhenEmpty()
  }

  /** Windows or the queue have room again. */
  wake(): void {
    if (this.#blocked.count > 0 && !this.isClosing) this.#blocked.wake()
  }

  wakeStream(stream: Stream): void {
    this.#blocked.wakeOne(stream)
  }

  // ---- the end

  /** Runs what frames or owners ask for: whatever it throws ends this connection, never the process. */
  guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.fail(error)
    }
  }

  fail(error: unknown): void {
    this.abort(error instanceof H2Error ? error.h2Code : H2ErrorCode.INTERNAL_ERROR, reasonOf(error))
  }

  async drain(order: DrainOrder): Promise<void> {
    if (order.mode === 'immediate') return this.close()
    if (!this.isClosing) {
      this.#phase = 'draining'
      this.#setCloseReason('drained')
      this.#gracefulEnd.begin(order.deadlineMs)
    }
    return this.#closed.promise
  }

  close(): Promise<void> {
    this.abort(H2ErrorCode.NO_ERROR, 'closed')
    return this.#closed.promise
  }

  abort(code: H2ErrorCode, reason: string): void {
    if (this.isClosing) return
    this.#setCloseReason(reason)
    this.writer.goaway(this.lastPeerStreamId, code, reason)
    this.#beginClosing(LINGER_MS)
    this.#loseStreams(code, reason)
  }

  /** The deadline of a drain: what has not left by now never will. */
  cut(): void {
    if (this.isClosing) this.#transport.destroy()
    else this.abort(H2ErrorCode.NO_ERROR, 'drain deadline')
  }

  /** Draining is over with the last stream, but not while new ones may be under way. */
  closeWhenEmpty(): void {
    if (this.#phase !== 'draining' || this.streams.size > 0) return
    if (this.#gracefulEnd.mayClose()) this.#beginClosing(FLUSH_MS)
  }

  /** Lets what is queued leave within `flushMs`, then half-closes; a peer that does not follow is cut. */
  #beginClosing(flushMs: number): void {
    this.#phase = 'closing'
    this.#intake.stop()
    this.#stopTimers()
    this.#destroyIn(flushMs)
    this.queue.kick()
    if (this.queue.isIdle) this.#halfClose()
    this.#transport.readOn()
  }

  #halfClose(): void {
    this.#transport.end()
    this.#destroyIn(LINGER_MS)
  }

  #destroyIn(delayMs: number): void {
    this.#lingerTimer?.cancel()
    this.#lingerTimer = this.clock.setTimer(delayMs, () => this.#transport.destroy())
  }

  onTransportEnd(): void {
    this.#transport.end()
  }

  onTransportClosed(why: string | undefined): void {
    if (this.#phase === 'closed') return
    if (why !== undefined) this.#setCloseReason(why)
    this.#phase = 'closed'
    this.#intake.close()
    this.queue.close()
    this.#stopTimers()
    this.#gracefulEnd.stop()
    this.#lingerTimer?.cancel()
    const reason = this.#closeReason === '' ? 'peer closed the connection' : this.#closeReason
    this.#loseStreams(H2ErrorCode.INTERNAL_ERROR, `connection lost: ${reason}`)
    this.#closed.resolve()
    const tell = this.onClosed
    this.onClosed = undefined
    tell?.(reason)
  }

  /** A stream that is cut must not look finished, so its owner never hears NO_ERROR here. */
  #loseStreams(code: H2ErrorCode, reason: string): void {
    const streamCode = code === H2ErrorCode.NO_ERROR ? H2ErrorCode.INTERNAL_ERROR : code
    for (const stream of this.streams.streams()) {
      stream.wasReset = true
      stream.move('reset')
      this.guard(() => stream.handler?.onReset(streamCode, reason))
    }
  }

  #stopTimers(): void {
    this.#keepalive.stop()
    this.#firstSettingsTimer?.cancel()
    this.#settingsAckTimer?.cancel()
    this.#blocked.stop()
  }

  #setCloseReason(reason: string): void {
    if (this.#closeReason === '') this.#closeReason = reason
  }

  #onWriteProgress(): void {
    if (this.#phase === 'closing') {
      if (this.queue.isIdle) this.#halfClose()
    } else if (this.#blocked.count > 0) this.guard(this.#wakeBlocked)
  }

  readonly #wakeBlocked = (): void => this.wake()

  #changePeerWindow(bytes: number): void {
    const change = bytes - this.peerInitialWindowBytes
    this.peerInitialWindowBytes = bytes
    for (const stream of this.streams.streams()) {
      if (!stream.sendWindow.grow(change))
        throw connectionError(H2ErrorCode.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE makes a window too large')
    }
  }
}
