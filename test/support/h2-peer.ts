import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Clock, systemClock } from '#shared/clock'
import {
  acceptH2,
  connectH2,
  type H2ClientConnection,
  type H2Connection,
  type H2Limits,
  type H2Stream,
  type H2StreamHandler,
  type HeaderList,
} from '#shared/http2'
import type { Slab } from '#shared/net'
import {
  ACK,
  errorName,
  type Frame,
  type FrameName,
  headers,
  ok,
  PREFACE,
  parseFrames,
  ping,
  settings,
  settingsAck,
} from './h2-frames.ts'

/** Longer than any wait on a busy machine, shorter than a test may take. */
const WAIT_MS = 15_000

/** The other end of a conversation: says frames as a test wants, and waits for the engine's. */
export class H2Peer {
  readonly socket: Socket
  /** Every frame that came, in order. */
  readonly frames: Frame[] = []
  #rest: Buffer = Buffer.alloc(0)
  /** How many of `frames` have been waited for. */
  #seen = 0
  #isClosed = false
  #wake: (() => void) | undefined
  #pings = 0
  /** Whether frames are parsed: a server's peer must not take the engine's preface for a frame. */
  #skipBytes: number

  constructor(socket: Socket, isServer: boolean) {
    this.socket = socket
    this.#skipBytes = isServer ? PREFACE.length : 0
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#receive(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
      this.#wake?.()
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Writes the bytes of these frames, at once. */
  send(...frames: readonly Uint8Array[]): this {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
    return this
  }

  /** The next frame of this type, passing over others; frames before it count as seen. */
  async receive(type: FrameName, streamId?: number): Promise<Frame> {
    for (;;) {
      while (this.#seen < this.frames.length) {
        const found = this.frames[this.#seen++] as Frame
        if (found.type === type && (streamId === undefined || found.streamId === streamId)) return found
      }
      if (this.#isClosed) throw new Error(`closed before ${type}; came: ${this.summary}`)
      await this.#change(type)
    }
  }

  /** The code with which the engine ended the connection, once it has closed the socket too. */
  async connectionError(): Promise<string> {
    const last = await this.receive('GOAWAY')
    while (!this.#isClosed) await this.#change('the close')
    return errorName(last.payload.readUInt32BE(4))
  }

  /** The code with which the engine reset this stream. */
  async streamError(streamId: number): Promise<string> {
    const found = await this.receive('RST_STREAM', streamId)
    return errorName(found.payload.readUInt32BE(0))
  }

  /** Asks for a PING's answer: everything sent before has been taken in by then. */
  async isAlive(): Promise<boolean> {
    const payload = String(++this.#pings).padStart(8, 'p')
    this.send(ping(payload))
    for (;;) {
      const found = await this.receive('PING')
      if ((found.flags & ACK) !== 0 && found.payload.toString() === payload) return true
    }
  }

  /** Resolves when the engine has closed the socket. */
  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#change('the close')
  }

  /** `TYPE/stream` of what came, for messages. */
  get summary(): string {
    return this.frames.map(({ type, streamId }) => `${type}/${streamId}`).join(' ')
  }

  count(type: FrameName): number {
    return this.frames.filter((one) => one.type === type).length
  }

  #receive(bytes: Buffer): void {
    const skipped = Math.min(this.#skipBytes, bytes.length)
    this.#skipBytes -= skipped
    const { frames, rest } = parseFrames(Buffer.concat([this.#rest, bytes.subarray(skipped)]))
    this.frames.push(...frames)
    this.#rest = rest
    this.#wake?.()
  }

  async #change(awaited: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(() => reject(new Error(`${awaited} did not come; came: ${this.summary}`)), WAIT_MS)
    try {
      await promise
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What the engine told the owners of its streams, one line per call. */
export type Event = string

/** How the engine's streams are owned in a test. */
export interface EngineOptions {
  readonly limits?: Partial<H2Limits>
  readonly clock?: Clock
  /** Payload is kept unconsumed, so that no window is given back. */
  readonly isSlow?: boolean
  /** Called for each request on a server; by default it is answered with 200 and no end. */
  readonly onRequest?: (stream: H2Stream, headers: HeaderList, isEnd: boolean) => void
}

/** One engine and its scripted peer, over loopback. */
export interface Conversation {
  readonly peer: H2Peer
  readonly engine: H2Connection
  readonly events: Event[]
  readonly streams: Map<number, H2Stream>
  close(): Promise<void>
}

export interface ClientConversation extends Conversation {
  readonly engine: H2ClientConnection
  /** The engine asks; resolves when the request is with the peer. */
  request(headers: HeaderList, isEnd?: boolean): Promise<H2Stream>
}

class Recorder implements H2StreamHandler {
  readonly #id: () => number
  readonly #events: Event[]
  readonly #stream: () => H2Stream | undefined
  readonly #isSlow: boolean

  constructor(id: () => number, stream: () => H2Stream | undefined, events: Event[], isSlow: boolean) {
    this.#id = id
    this.#stream = stream
    this.#events = events
    this.#isSlow = isSlow
  }

  onHeaders(list: HeaderList, isEnd: boolean): void {
    this.#events.push(`headers ${this.#id()} ${textOf(list)}${isEnd ? ' end' : ''}`)
  }

  onInformational(list: HeaderList): void {
    this.#events.push(`informational ${this.#id()} ${textOf(list)}`)
  }

  onData(slab: Slab, start: number, end: number): void {
    this.#events.push(`data ${this.#id()} ${slab.buffer.toString('latin1', start, end)}`)
    if (!this.#isSlow) this.#stream()?.consumed(end - start)
  }

  onEnd(trailers: HeaderList | undefined): void {
    this.#events.push(`end ${this.#id()}${trailers === undefined ? '' : ` ${textOf(trailers)}`}`)
  }

  onReset(code: number): void {
    this.#events.push(`reset ${this.#id()} ${errorName(code)}`)
  }

  onWritable(): void {
    this.#events.push(`writable ${this.#id()}`)
  }
}

function textOf(list: HeaderList): string {
  return list.map(([name, value]) => `${name}=${value}`).join(' ')
}

/** Two ends of one TCP connection. */
async function socketPair(): Promise<[engine: Socket, peer: Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  const [engine] = (await once(server, 'connection')) as [Socket]
  server.close()
  return [engine, peer]
}

/** Limits that make tests quick to read: the protocol's own default sizes. */
const plainLimits: Partial<H2Limits> = {
  streamWindowBytes: 65_535,
  connectionWindowBytes: 65_535,
  maxFrameBytes: 16_384,
  pingIntervalMs: 0,
}

/** The engine as a server; the peer has said nothing yet. */
export async function rawServer(options: EngineOptions = {}): Promise<Conversation> {
  const [socket, peerSocket] = await socketPair()
  const events: Event[] = []
  const streams = new Map<number, H2Stream>()
  const engine = acceptH2(
    socket,
    (stream, list, isEnd) => {
      streams.set(stream.id, stream)
      events.push(`request ${stream.id} ${textOf(list)}${isEnd ? ' end' : ''}`)
      const respond = options.onRequest ?? ((one: H2Stream) => one.respond(ok))
      respond(stream, list, isEnd)
      return new Recorder(
        () => stream.id,
        () => stream,
        events,
        options.isSlow ?? false,
      )
    },
    { limits: { ...plainLimits, ...options.limits }, clock: options.clock ?? systemClock },
  )
  const peer = new H2Peer(peerSocket, false)
  return { peer, engine, events, streams, close: () => end(engine, peer) }
}

/** The engine as a server, after both sides' SETTINGS. */
export async function serverUnderTest(
  options: EngineOptions = {},
  peerSettings: Readonly<Record<string, number>> = {},
): Promise<Conversation> {
  const conversation = await rawServer(options)
  const { peer } = conversation
  peer.send(PREFACE, settings(peerSettings), settingsAck)
  await peer.receive('SETTINGS')
  await peer.receive('SETTINGS')
  return conversation
}

/** The engine as a client; the peer has said nothing yet. */
export async function rawClient(options: EngineOptions = {}): Promise<ClientConversation> {
  const [socket, peerSocket] = await socketPair()
  const events: Event[] = []
  const streams = new Map<number, H2Stream>()
  const peer = new H2Peer(peerSocket, true)
  const engine = connectH2(socket, {
    limits: { ...plainLimits, ...options.limits },
    clock: options.clock ?? systemClock,
  })
  const request = async (list: HeaderList, isEnd = false): Promise<H2Stream> => {
    let stream: H2Stream | undefined
    const recorder = new Recorder(
      () => stream?.id ?? 0,
      () => stream,
      events,
      options.isSlow ?? false,
    )
    stream = engine.request(list, recorder, isEnd)
    streams.set(stream.id, stream)
    await peer.receive('HEADERS', stream.id)
    return stream
  }
  return { peer, engine, events, streams, request, close: () => end(engine, peer) }
}

/** The engine as a client, after both sides' SETTINGS. */
export async function clientUnderTest(
  options: EngineOptions = {},
  peerSettings: Readonly<Record<string, number>> = {},
): Promise<ClientConversation> {
  const conversation = await rawClient(options)
  const { peer } = conversation
  peer.send(settings(peerSettings), settingsAck)
  await peer.receive('SETTINGS')
  await peer.receive('SETTINGS')
  return conversation
}

async function end(engine: H2Connection, peer: H2Peer): Promise<void> {
  peer.socket.destroy()
  await engine.close()
}

/** The engine in one of its roles with stream 1 open both ways: the peer may send DATA on it. */
export async function openStream(role: 'server' | 'client', options: EngineOptions = {}): Promise<Conversation> {
  if (role === 'server') {
    const conversation = await serverUnderTest(options)
    conversation.peer.send(
      headers(1, [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'web'],
      ]),
    )
    await conversation.peer.receive('HEADERS', 1)
    return conversation
  }
  const conversation = await clientUnderTest(options)
  await conversation.request([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'web'],
  ])
  conversation.peer.send(headers(1, ok))
  await conversation.peer.isAlive()
  return conversation
}
