import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import { type AdsServerObserver, AdsStream, type ConnectedClient, type ResourceSource } from './ads-stream.ts'
import { DELTA_ADS_PATH, rpcCodes } from './rpc.ts'
import { type CallFacts, type RpcHandler, StatusError } from './rpc-server.ts'
import { StreamGate, type StreamGateSettings } from './stream-gate.ts'
import type { PushMark } from './watch.ts'

/**
 * Says who calls: a principal for the log and for whoever decides what the caller gets, undefined = nobody in
 * particular. Throwing refuses the call; the caller learns nothing but that.
 */
export type Authenticator = (call: CallFacts) => Promise<string | undefined>

export interface AdsServerSettings {
  readonly source: ResourceSource
  readonly authenticate: Authenticator
  readonly clock: Clock
  readonly log: Logger
  readonly observer?: AdsServerObserver
  /** Undefined: everybody is let in at once. */
  readonly gate?: StreamGateSettings
  /** Default 10,000. */
  readonly maxClients?: number
}

/** What a dump shows of one client. */
export interface ClientStatus extends ConnectedClient {
  readonly watches: readonly {
    readonly typeUrl: string
    readonly mode: 'wildcard' | 'on-demand'
    readonly heldCount: number
    /** Nonce of the response that waits for its acknowledgement. */
    readonly outstanding: string | undefined
    /** The first change that the client has not answered yet. */
    readonly behind: PushMark | undefined
  }[]
}

const DEFAULT_MAX_CLIENTS = 10_000

/**
 * The serving end of delta ADS. It is told which names changed and asks the source what they are now, once per client
 * and only when that client has acknowledged what it got before; so nothing is queued but names.
 */
export class AdsServer implements Closer {
  /** To be put on an `RpcServer`. */
  readonly handler: RpcHandler
  readonly #settings: AdsServerSettings
  readonly #streams = new Set<AdsStream>()
  readonly #turns = new Set<AdsStream>()
  readonly #gate: StreamGate | undefined
  #isTurning = false
  #isClosed = false
  #nextId = 1

  constructor(settings: AdsServerSettings) {
    this.#settings = settings
    this.#gate = settings.gate && new StreamGate(settings.gate, settings.clock)
    this.handler = {
      kind: 'stream',
      path: DELTA_ADS_PATH,
      open: async (call, stream) => {
        await this.#gate?.enter(() => stream.isOpen)
        const principal = await this.#authenticate(call)
        this.#requireRoom()
        const opened = new AdsStream(stream, {
          ...settings,
          id: this.#nextId++,
          peer: { address: call.peerAddress, principal },
          observer: settings.observer ?? {},
          wantsTurn: (one) => this.#giveTurn(one),
          onClosed: (one) => {
            this.#streams.delete(one)
            this.#turns.delete(one)
          },
        })
        this.#streams.add(opened)
        return opened
      },
    }
  }

  /** Tells that resources of these names came, changed or went; `all` = compare everything. */
  push(typeUrl: string, names: readonly string[] | 'all', mark: PushMark): void {
    for (const stream of this.#streams) stream.touch(typeUrl, names, mark)
  }

  /** Names and versions that a client holds, as far as it was sent or told us; by type. */
  heldBy(clientId: number): Readonly<Record<string, Readonly<Record<string, string>>>> {
    const stream = [...this.#streams].find(({ client }) => client?.id === clientId)
    return Object.fromEntries([...(stream?.watches ?? [])].map((watch) => [watch.typeUrl, watch.held()]))
  }

  /** Streams that wait for their turn. */
  get waitingToEnter(): number {
    return this.#gate?.waiting ?? 0
  }

  /** Ends the streams of a node, which comes back here or elsewhere. @returns how many there were */
  disconnect(nodeId: string): number {
    const streams = [...this.#streams].filter(({ client }) => client?.node.id === nodeId)
    for (const stream of streams) stream.end({ code: rpcCodes.unavailable, message: 'disconnected on request' })
    return streams.length
  }

  clients(): readonly ClientStatus[] {
    return [...this.#streams].flatMap((stream) => {
      if (stream.client === undefined) return []
      const watches = [...stream.watches].map(({ typeUrl, mode, heldCount, outstanding, behind }) => ({
        typeUrl,
        mode,
        heldCount,
        outstanding,
        behind,
      }))
      return { ...stream.client, watches }
    })
  }

  /** Ends every stream so that clients come back elsewhere or later; the port belongs to the `RpcServer`. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#gate?.close()
    for (const stream of [...this.#streams])
      stream.end({ code: rpcCodes.unavailable, message: 'the control plane is shutting down' })
  }

  async #authenticate(call: CallFacts): Promise<string | undefined> {
    try {
      return await this.#settings.authenticate(call)
    } catch (error) {
      this.#settings.log.warn('client refused', { peer: call.peerAddress, error: reasonOf(error) })
      throw new StatusError({ code: rpcCodes.unauthenticated, message: 'authentication failure' })
    }
  }

  #requireRoom(): void {
    if (this.#isClosed) throw new StatusError({ code: rpcCodes.unavailable, message: 'shutting down' })
    if (this.#streams.size >= (this.#settings.maxClients ?? DEFAULT_MAX_CLIENTS))
      throw new StatusError({ code: rpcCodes.resourceExhausted, message: 'too many clients' })
  }

  /** One client per turn of the loop: a change for many clients leaves room for everything else between them. */
  #giveTurn(stream: AdsStream): void {
    this.#turns.add(stream)
    if (this.#isTurning) return
    this.#isTurning = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#isTurning = false
    const [stream] = this.#turns
    if (stream === undefined) return
    this.#turns.delete(stream)
    try {
      stream.flush()
    } catch (error) {
      this.#settings.log.error('cannot send to a client', { error: reasonOf(error) })
      this.#settings.observer?.failed?.()
      stream.end({ code: rpcCodes.internal, message: 'internal error' })
    }
    const [next] = this.#turns
    if (next !== undefined) this.#giveTurn(next)
  }
}
