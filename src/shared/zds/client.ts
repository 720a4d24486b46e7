import { Backoff, type Clock, sleep } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { connectSeqPacket, type Netns, netnsFromFd, type SeqPacketConnection, type SeqPacketMessage } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { closeFds } from './close-fds.ts'
import { decodeRequest, encodeAck, encodeHello, MAX_PACKET_BYTES } from './messages.ts'
import type { WorkloadInfo, ZdsClient, ZdsHandler } from './types.ts'

export interface ZdsClientOptions {
  /** Of the node agent's socket. */
  readonly path: string
  readonly handler: ZdsHandler
  readonly clock: Clock
  readonly logger: Logger
  /**
   * The agent has broken the protocol, and has been told. The client has ended; the program ends too, for what the agent
   * thinks and what is served may differ from here on (hbone-and-ztunnel g.1).
   */
  readonly onProtocolError: (error: MeshError) => void
}

/** Before the agent's socket answers. */
const CONNECT_BACKOFF = { firstMs: 20, maxMs: 15_000, jitter: 0 }
/** After a connection on which nothing could be read. */
const HELLO_BACKOFF = { firstMs: 500, maxMs: 15_000, jitter: 0.2 }
/** The same, once a snapshot has been taken: the agent was well, so it is probably back soon. */
const SEASONED_HELLO_BACKOFF = { firstMs: 5, maxMs: 15_000, jitter: 0.2 }

/** Connects to the node agent and keeps at it until closed. */
export function connectZds(options: ZdsClientOptions): ZdsClient {
  return new Client(options)
}

/** A request whose descriptor, if it has one, is checked and owned. */
type Request =
  | { readonly kind: 'add'; readonly uid: string; readonly info: WorkloadInfo; readonly netns: Netns }
  | { readonly kind: 'delete' | 'keep'; readonly uid: string }
  | { readonly kind: 'snapshot sent' }

/** `unreadable` ends the connection, `broken` the tunnel. */
type Reading = Request | { readonly kind: 'unreadable' | 'broken'; readonly reason: string }

/** How a connection ended: `served` some requests, `silent` none, `unreadable` by a packet that is none. */
interface End {
  readonly kind: 'served' | 'silent' | 'unreadable'
  readonly reason: string
}

class Client implements ZdsClient {
  readonly #options: ZdsClientOptions
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  #isConnected = false
  #helloBackoff: Backoff

  constructor(options: ZdsClientOptions) {
    this.#options = options
    this.#helloBackoff = new Backoff(options.clock, HELLO_BACKOFF)
    this.#done = this.#run()
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'))
    await this.#done
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { clock, logger, handler, onProtocolError } = this.#options
    const { signal } = this.#closing
    try {
      while (!signal.aborted) {
        const connection = await this.#connect()
        const end = await this.#serve(connection).finally(() => connection.close())
        this.#isConnected = false
        if (signal.aborted) return
        handler.disconnected(end.reason)
        logger.warn('connection to the node agent ended', { reason: end.reason })
        // Only after a connection that worked the next one is tried at once.
        if (end.kind === 'served') this.#helloBackoff.reset()
        else await sleep(clock, this.#helloBackoff.next(), signal)
      }
    } catch (error) {
      this.#isConnected = false
      if (signal.aborted) return
      onProtocolError(
        error instanceof MeshError ? error : new MeshError('ZDS_PROTOCOL_ERROR', reasonOf(error), { cause: error }),
      )
    }
  }

  /** Resolves when the agent's socket takes a connection; rejects only when closed. */
  async #connect(): Promise<SeqPacketConnection> {
    const { path, clock, logger } = this.#options
    const backoff = new Backoff(clock, CONNECT_BACKOFF)
    for (;;) {
      try {
        return connectSeqPacket(path, MAX_PACKET_BYTES)
      } catch (error) {
        const waitMs = backoff.next()
        logger.debug('node agent cannot be reached yet', { path, reason: reasonOf(error), waitMs })
        await sleep(clock, waitMs, this.#closing.signal)
      }
    }
  }

  /** @throws MeshError `ZDS_PROTOCOL_ERROR` when the agent asks what it must not, after it has been told */
  async #serve(connection: SeqPacketConnection): Promise<End> {
    const { signal } = this.#closing
    let kind: End['kind'] = 'silent'
    let isInSnapshot = true
    try {
      await connection.send(encodeHello())
      this.#isConnected = true
      for (;;) {
        const packet = await connection.receive(signal)
        if (packet === undefined) return { kind, reason: 'the node agent has closed the connection' }
        const request = readPacket(packet)
        if (request.kind === 'unreadable') {
          const reason = `failure to read message : ${request.reason}`
          await connection.send(encodeAck(reason))
          return { kind: 'unreadable', reason }
        }
        const refusal = await this.#act(request, isInSnapshot).then(
          () => undefined,
          (error: unknown) => error,
        )
        const told = connection.send(encodeAck(refusal === undefined ? '' : reasonOf(refusal)))
        if (isFatal(refusal)) {
          await told.catch(() => undefined)
          throw refusal
        }
        await told
        if (request.kind === 'snapshot sent') {
          isInSnapshot = false
          this.#helloBackoff = new Backoff(this.#options.clock, SEASONED_HELLO_BACKOFF)
        }
        kind = 'served'
      }
    } catch (error) {
      if (isFatal(error)) throw error
      return { kind, reason: reasonOf(error) }
    }
  }

  /** @throws whatever the handler throws; MeshError `ZDS_PROTOCOL_ERROR` for what the agent must not ask */
  async #act(request: Exclude<Reading, { readonly kind: 'unreadable' }>, isInSnapshot: boolean): Promise<void> {
    const { handler } = this.#options
    switch (request.kind) {
      case 'add':
        return handler.add(request.uid, request.info, request.netns)
      case 'delete':
        return handler.delete(request.uid)
      case 'keep':
        if (!isInSnapshot) throw broken('keep after the snapshot')
        return handler.keep(request.uid)
      case 'snapshot sent':
        if (!isInSnapshot) throw broken('a second snapshot')
        return handler.snapshotSent()
      case 'broken':
        throw broken(request.reason)
    }
  }
}

/** The request of a packet and its descriptor. Descriptors of a packet that is refused are closed. */
function readPacket({ bytes, fds, isTruncated }: SeqPacketMessage): Reading {
  let owned = fds
  try {
    if (isTruncated) return unreadable(`the packet is longer than ${MAX_PACKET_BYTES} bytes`)
    const request = decodeRequest(bytes)
    const expected = request.kind === 'add' ? 1 : 0
    if (fds.length !== expected) {
      return unreadable(`${fds.length} descriptors came with ${request.kind}, ${expected} belong there`)
    }
    if (request.kind !== 'add') return request
    const { uid, info } = request
    if (info === undefined) return { kind: 'broken', reason: 'add without workload_info' }
    const [fd = -1] = fds
    owned = []
    return { kind: 'add', uid, info, netns: netnsFromFd(fd) }
  } catch (error) {
    return unreadable(reasonOf(error))
  } finally {
    closeFds(owned)
  }
}

function unreadable(reason: string): Reading & { readonly kind: 'unreadable' } {
  return { kind: 'unreadable', reason }
}

function broken(what: string): MeshError {
  return new MeshError('ZDS_PROTOCOL_ERROR', `failure to process message : ${what}`)
}

function isFatal(error: unknown): error is MeshError {
  return error instanceof MeshError && error.code === 'ZDS_PROTOCOL_ERROR'
}
