import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { encodeDeltaResponse } from './delta-response.ts'
import type { DeltaRequest } from './messages.ts'
import { type RpcStatus, rpcCodes } from './rpc.ts'
import type { ServerStream, ServerStreamEvents } from './rpc-server.ts'
import { schema } from './schema.ts'
import { fromStruct } from './struct.ts'
import type { AdsNode, AdsPeer } from './types.ts'
import { type Acknowledgement, type Delta, type PushMark, type ResourceView, Watch } from './watch.ts'

/** A connected client, for dumps and for whoever decides what it gets. */
export interface ConnectedClient {
  /** Counts up over the life of the server. */
  readonly id: number
  readonly peer: AdsPeer
  readonly node: AdsNode
  readonly connectedAtMs: number
}

/** Resources as each client may see them, asked for once a subscription; undefined = that type is not served. */
export type ResourceSource = (client: ConnectedClient, typeUrl: string) => ResourceView | undefined

/** A response, as it was sent. */
export interface SentResponse extends Delta {
  readonly typeUrl: string
  readonly nonce: string
  readonly bytes: number
  /** The first change in it; undefined when it only answers what was asked for. */
  readonly since: PushMark | undefined
}

/** Told of what happens on streams; every call is optional and must not throw. */
export interface AdsServerObserver {
  connected?(client: ConnectedClient): void
  /** `behind`: the first change that it had not answered. */
  disconnected?(client: ConnectedClient, behind: PushMark | undefined): void
  sent?(client: ConnectedClient, response: SentResponse): void
  acknowledged?(client: ConnectedClient, typeUrl: string, nonce: string): void
  /** `message` is peer text, already cut. */
  rejected?(client: ConnectedClient, typeUrl: string, nonce: string, message: string): void
  /** A stream was ended by a fault of ours. */
  failed?(): void
}

export interface StreamSettings {
  readonly id: number
  readonly peer: AdsPeer
  readonly source: ResourceSource
  readonly observer: AdsServerObserver
  readonly clock: Clock
  readonly log: Logger
  /** To be called when something is due; the server calls `flush` when it is this stream's turn. */
  readonly wantsTurn: (stream: AdsStream) => void
  readonly onClosed: (stream: AdsStream) => void
}

/** A client that has not said who it is by then, or leaves a response unacknowledged for so long, is cut off. */
const FIRST_REQUEST_TIMEOUT_MS = 30_000
const ACK_TIMEOUT_MS = 60_000
const MAX_PEER_TEXT = 4096
/** Of a resource's name; those of Kubernetes are below 1,000. */
const MAX_NAME_CHARACTERS = 4096

/** One client's stream: its subscriptions, and what is sent to it. */
export class AdsStream implements ServerStreamEvents {
  readonly #settings: StreamSettings
  readonly #stream: ServerStream
  readonly #watches = new Map<string, Watch>()
  readonly #ackTimers = new Map<string, Timer>()
  readonly #firstRequest: Timer
  readonly #unknownTypes = new Set<string>()
  #client: ConnectedClient | undefined
  #sequence = 0
  #isOpen = true

  constructor(stream: ServerStream, settings: StreamSettings) {
    this.#stream = stream
    this.#settings = settings
    this.#firstRequest = settings.clock.setTimer(FIRST_REQUEST_TIMEOUT_MS, () =>
      this.end({ code: rpcCodes.deadlineExceeded, message: 'no request' }),
    )
  }

  /** Undefined until the first request has come. */
  get client(): ConnectedClient | undefined {
    return this.#client
  }

  get watches(): Iterable<Watch> {
    return this.#watches.values()
  }

  message(bytes: Buffer): void {
    try {
      this.#request(schema().deltaRequest.decode(bytes))
    } catch (error) {
      this.#settings.log.warn('request refused', { peer: this.#settings.peer.address, error: reasonOf(error) })
      this.end({ code: rpcCodes.invalidArgument, message: 'unreadable request' })
    }
  }

  closed(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#firstRequest.cancel()
    for (const timer of this.#ackTimers.values()) timer.cancel()
    this.#settings.onClosed(this)
    if (this.#client !== undefined) this.#settings.observer.disconnected?.(this.#client, this.#behind)
  }

  end(status: RpcStatus): void {
    this.#stream.end(status)
    this.closed()
  }

  get #behind(): PushMark | undefined {
    return [...this.#watches.values()].flatMap(({ behind }) => behind ?? []).sort((a, b) => a.push - b.push)[0]
  }

  /** Names of that type changed or went. */
  touch(typeUrl: string, names: readonly string[] | 'all', mark: PushMark): void {
    const watch = this.#watches.get(typeUrl)
    if (watch === undefined) return
    if (names === 'all') watch.touchAll(mark)
    else watch.touch(names, mark)
    if (watch.isDue) this.#settings.wantsTurn(this)
  }

  /** Sends what is due, in the order in which the client asked for the types. */
  flush(): void {
    const client = this.#client
    if (client === undefined) return
    for (const watch of this.#watches.values()) if (this.#isOpen && watch.isDue) this.#send(client, watch)
  }

  #request(request: DeltaRequest): void {
    if (hasLongName(request)) throw new MeshError('RESOURCE_INVALID', 'a name is too long')
    const client = this.#identify(request)
    if (client === undefined) return
    const watch = this.#watchFor(client, request)
    if (watch === undefined) this.#ignore(request.typeUrl)
    else if (watch.isFull) this.end({ code: rpcCodes.resourceExhausted, message: 'too many names' })
    else if (watch.isDue) this.#settings.wantsTurn(this)
  }

  /** The subscription after that request; undefined for a type that is not served. */
  #watchFor(client: ConnectedClient, request: DeltaRequest): Watch | undefined {
    const { typeUrl } = request
    const known = this.#watches.get(typeUrl)
    if (known !== undefined) {
      this.#acknowledge(typeUrl, known.next(request))
      return known
    }
    const view = this.#settings.source(client, typeUrl)
    if (view === undefined) return undefined
    const watch = new Watch(typeUrl, view)
    const nowMs = this.#settings.clock.monotonicMs()
    watch.begin(request, { push: 0, changedAtMs: nowMs, toldAtMs: nowMs })
    this.#watches.set(typeUrl, watch)
    return watch
  }

  #acknowledge(typeUrl: string, answer: Acknowledgement): void {
    const { observer } = this.#settings
    if (answer.kind === 'none' || this.#client === undefined) return
    this.#ackTimers.get(typeUrl)?.cancel()
    this.#ackTimers.delete(typeUrl)
    if (answer.kind === 'ack') observer.acknowledged?.(this.#client, typeUrl, answer.nonce)
    else observer.rejected?.(this.#client, typeUrl, answer.nonce, answer.message.slice(0, MAX_PEER_TEXT))
  }

  /** Only the first request of a stream says who the client is. @returns undefined when it does not */
  #identify({ node }: DeltaRequest): ConnectedClient | undefined {
    if (this.#client !== undefined) return this.#client
    if (node === null || node.id === '') {
      this.end({ code: rpcCodes.invalidArgument, message: 'the first request names no node' })
      return undefined
    }
    const { id, peer, clock, observer } = this.#settings
    this.#firstRequest.cancel()
    const metadata = node.metadata === null ? {} : fromStruct(node.metadata)
    const client = { id, peer, node: { id: node.id, metadata }, connectedAtMs: clock.nowMs() }
    this.#client = client
    observer.connected?.(client)
    return client
  }

  /** A client that asks for more than is served gets no answer to it, as from istiod. */
  #ignore(typeUrl: string): void {
    if (this.#unknownTypes.size >= 16 || this.#unknownTypes.has(typeUrl)) return
    this.#unknownTypes.add(typeUrl)
    this.#settings.log.warn('client asks for a type that is not served', {
      peer: this.#settings.peer.address,
      type_url: JSON.stringify(typeUrl.slice(0, 256)),
    })
  }

  #send(client: ConnectedClient, watch: Watch): void {
    const { observer, clock } = this.#settings
    const { typeUrl } = watch
    const nonce = `${client.id.toString(16)}-${(++this.#sequence).toString(16)}`
    const delta = watch.take(nonce)
    if (delta === undefined) return
    const bytes = encodeDeltaResponse(typeUrl, nonce, delta)
    // What the peer does not read waits here: one response per type, since the next waits for this one's acknowledgement.
    this.#stream.send(bytes)
    this.#ackTimers.set(
      typeUrl,
      clock.setTimer(ACK_TIMEOUT_MS, () => this.end({ code: rpcCodes.aborted, message: 'no acknowledgement' })),
    )
    observer.sent?.(client, { ...delta, typeUrl, nonce, bytes: bytes.length, since: watch.behind })
  }
}

/** Names are kept as long as the stream lives, so their length is bounded as well as their number. */
function hasLongName(request: DeltaRequest): boolean {
  const isLong = (name: string): boolean => name.length > MAX_NAME_CHARACTERS
  if (request.resourceNamesSubscribe.some(isLong)) return true
  for (const name in request.initialResourceVersions)
    if (isLong(name) || isLong(request.initialResourceVersions[name] ?? '')) return true
  return false
}
