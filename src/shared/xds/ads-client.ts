import { type Clock, sleep } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { type ControlPlaneEndpoint, readCallHeaders, readRoots } from './endpoint.ts'
import type { GrpcCall } from './grpc-call.ts'
import { HeldResources } from './held-resources.ts'
import type { DeltaRequest, NodeMessage } from './messages.ts'
import { ReconnectDelay, type StreamEnd, type TerminationReason, terminationReason } from './reconnect.ts'
import { DELTA_ADS_PATH, describeStatus } from './rpc.ts'
import { RpcChannel } from './rpc-channel.ts'
import { schema } from './schema.ts'
import { type JsonObject, toStruct } from './struct.ts'
import type { AdsClient, Rejection, Subscription } from './types.ts'

export interface AdsClientSettings {
  readonly endpoint: ControlPlaneEndpoint
  readonly node: { readonly id: string; readonly metadata: JsonObject }
  /** Asked for in this order. */
  readonly subscriptions: readonly Subscription<unknown>[]
  readonly clock: Clock
  readonly log: Logger
  readonly observer?: AdsClientObserver
}

/** For counters. */
export interface AdsClientObserver {
  /** The first response of a stream has come. */
  connected?(): void
  responseReceived?(typeUrl: string, bytes: number): void
  connectionEnded?(reason: TerminationReason): void
}

/** Longest text of a rejection that is sent; a response may hold thousands of bad resources. */
const MAX_NACK_CHARACTERS = 16 * 1024
const MAX_IGNORED_TOLD = 100
/** Between shorter waits the same failure is told once. */
const TOLD_WAIT_MS = 1_000

/** Starts a client that stays connected until it is closed. */
export function startAdsClient(settings: AdsClientSettings): AdsClient {
  return new DeltaAdsClient(settings)
}

class DeltaAdsClient implements AdsClient {
  readonly synced: Promise<void>
  readonly #settings: AdsClientSettings
  readonly #node: NodeMessage
  readonly #held: ReadonlyMap<string, HeldResources>
  readonly #stop = new AbortController()
  readonly #sync = Promise.withResolvers<void>()
  readonly #ended: Promise<void>
  /** Fields that were told of. */
  readonly #ignored = new Set<string>()
  #stream: GrpcCall | undefined

  constructor(settings: AdsClientSettings) {
    const { id, metadata } = settings.node
    this.#settings = settings
    this.#node = { id, cluster: '', metadata: toStruct(metadata), buildVersion: '' }
    this.#held = new Map(
      settings.subscriptions.map((one) => {
        const { typeUrl } = one.type
        return [typeUrl, new HeldResources(one, (field) => this.#tellIgnored(typeUrl, field))]
      }),
    )
    this.synced = this.#sync.promise
    this.synced.catch(() => {}) // nobody has to wait for it
    this.#ended = this.#run()
  }

  get isSynced(): boolean {
    return [...this.#held.values()].every((held) => held.isSynced)
  }

  demand(typeUrl: string, name: string): Promise<void> {
    const held = this.#held.get(typeUrl)
    if (held?.subscription.mode !== 'on-demand')
      return Promise.reject(new MeshError('NOT_FOUND', `${typeUrl} is not subscribed on demand`))
    if (this.#stop.signal.aborted) return Promise.reject(closed())
    const { arrived, ask } = held.demand(name)
    if (ask) this.#send({ typeUrl, resourceNamesSubscribe: [name] })
    return arrived
  }

  close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort()
      this.#stream?.cancel()
      for (const held of this.#held.values()) held.close(closed())
      this.#sync.reject(closed())
    }
    return this.#ended
  }

  async #run(): Promise<void> {
    const { clock, observer, log } = this.#settings
    const { signal } = this.#stop
    const delay = new ReconnectDelay(clock)
    let told = ''
    while (!signal.aborted) {
      const end = await this.#hold()
      if (signal.aborted) return
      const reason = terminationReason(end)
      const waitMs = delay.next(end)
      observer?.connectionEnded?.(reason)
      const detail = end.kind === 'not-opened' ? end.reason : describeStatus(end.status)
      if (reason === 'Reconnect' || reason === 'Complete') log.debug('control plane ended the stream', { detail })
      else {
        const level = detail === told && waitMs < TOLD_WAIT_MS ? 'debug' : 'warn'
        log[level]('no stream to the control plane', { error: detail, retry_in_ms: Math.round(waitMs) })
        told = detail
      }
      await sleep(clock, waitMs, signal).catch(() => {})
    }
  }

  /** One stream, from connecting to its end. */
  async #hold(): Promise<StreamEnd> {
    const { endpoint, clock } = this.#settings
    let channel: RpcChannel | undefined
    try {
      channel = new RpcChannel(endpoint, await readRoots(endpoint.roots), clock)
      const headers = await readCallHeaders(endpoint)
      return this.#stop.signal.aborted ? { kind: 'not-opened', reason: 'closed' } : await this.#speak(channel, headers)
    } catch (error) {
      return { kind: 'not-opened', reason: reasonOf(error) }
    } finally {
      this.#stream = undefined
      channel?.close()
    }
  }

  #speak(channel: RpcChannel, headers: readonly (readonly [string, string])[]): Promise<StreamEnd> {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>()
    let opened = false
    let worked = false
    const stream = channel.stream(DELTA_ADS_PATH, headers, {
      opened: () => {
        opened = true
      },
      message: (bytes) => {
        opened = true
        const wasWorking = worked
        worked = this.#receive(bytes, stream) || worked
        if (worked && !wasWorking) this.#settings.observer?.connected?.()
      },
      ended: (status) =>
        resolve(opened ? { kind: 'ended', worked, status } : { kind: 'not-opened', reason: describeStatus(status) }),
    })
    this.#stream = stream
    for (const held of this.#held.values()) this.#send(held.initialRequest(this.#node))
    return promise
  }

  /** @returns false when the bytes were no response, which ends the stream */
  #receive(bytes: Buffer, stream: GrpcCall): boolean {
    const { log, observer } = this.#settings
    if (stream !== this.#stream) return false
    try {
      const response = schema().deltaResponse.decode(bytes)
      const { typeUrl, nonce: responseNonce } = response
      const held = this.#held.get(typeUrl)
      observer?.responseReceived?.(typeUrl, bytes.length)
      if (held === undefined) log.error('response of an unknown type', { type_url: typeUrl.slice(0, 256) })
      const rejections = held?.take(response) ?? []
      if (rejections.length > 0) log.warn('rejected resources', { type_url: typeUrl, reasons: nackText(rejections) })
      this.#send({
        typeUrl,
        responseNonce,
        ...(rejections.length === 0 ? {} : { errorDetail: { code: 0, message: nackText(rejections) } }),
      })
      if (this.isSynced) this.#sync.resolve()
      return true
    } catch (error) {
      log.error('unreadable response from the control plane', { error: reasonOf(error) })
      stream.cancel()
      return false
    }
  }

  /** Once for each field. */
  #tellIgnored(typeUrl: string, field: string): void {
    const key = `${typeUrl} ${field}`
    if (this.#ignored.has(key) || this.#ignored.size >= MAX_IGNORED_TOLD) return
    this.#ignored.add(key)
    this.#settings.log.warn('the control plane sends a field that is not known here and does not count', {
      type_url: typeUrl,
      field,
    })
  }

  #send(request: Partial<DeltaRequest>): void {
    this.#stream?.send(schema().deltaRequest.encode(request))
  }
}

/** `name: reason; name: reason`. */
function nackText(rejections: readonly Rejection[]): string {
  let text = ''
  for (const [i, { name, reason }] of rejections.entries()) {
    if (text.length > MAX_NACK_CHARACTERS) return `${text}; and ${rejections.length - i} more`
    text += `${text === '' ? '' : '; '}${name.slice(0, 1024)}: ${reason.slice(0, 1024)}`
  }
  return text
}

function closed(): MeshError {
  return new MeshError('XDS_STREAM_LOST', 'the client of the control plane was closed')
}
