import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import { AdsServer, type AdsServerObserver, type Authenticator, type ClientStatus, type RpcHandler } from '#shared/xds'
import { ClientLog, type SyncState, syncState, type TypeProgress } from './client-log.ts'
import { Debounce, type DebounceSettings } from './debounce.ts'
import { type PushMetrics, registerPushMetrics, shortType } from './push-metrics.ts'
import type { PushType } from './push-type.ts'

export interface PushSettings {
  /** What can be asked for, in the order in which changes of several types are sent. */
  readonly types: readonly PushType[]
  readonly debounce: DebounceSettings
  readonly authenticate: Authenticator
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** One client in a dump. */
export interface PushClient extends Omit<ClientStatus, 'watches'> {
  readonly watches: readonly (ClientStatus['watches'][number] & {
    readonly state: SyncState
    readonly progress: TypeProgress | undefined
  })[]
}

/**
 * Changes of the mesh → clients. A burst of changes is gathered (`Debounce`); then each client's own pending set gets
 * the names (`AdsServer`), and a client is sent what they stand for when it has answered what it got before.
 */
export class PushServer implements Closer {
  readonly #ads: AdsServer
  readonly #log: ClientLog
  readonly #debounce: Debounce
  readonly #ends: readonly (() => void)[]

  constructor(settings: PushSettings) {
    const { types, clock, logger, metrics } = settings
    const byUrl = new Map(types.map((type) => [type.typeUrl, type]))
    this.#log = new ClientLog(clock)
    const counted = registerPushMetrics(metrics, clock, this.#log)
    this.#ads = new AdsServer({
      source: (client, typeUrl) => byUrl.get(typeUrl)?.view(client),
      authenticate: settings.authenticate,
      clock,
      log: logger,
      observer: observe(this.#log, counted, logger),
    })
    this.#debounce = new Debounce(clock, settings.debounce, (changes, waitedMs) => {
      counted.debounced(waitedMs, changes)
      for (const [typeUrl, names] of changes) this.#ads.push(typeUrl, names)
    })
    this.#ends = types.map((type) => this.#follow(type))
  }

  /** To be put on the gRPC server. */
  get handler(): RpcHandler {
    return this.#ads.handler
  }

  clients(): readonly PushClient[] {
    return this.#ads.clients().map(({ watches, ...client }) => ({
      ...client,
      watches: watches.map((watch) => {
        const progress = this.#log.progress(client.id, watch.typeUrl)
        return { ...watch, progress, state: syncState(progress) }
      }),
    }))
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end()
    this.#debounce.close()
    await this.#ads.close()
  }

  #follow({ typeUrl, resources }: PushType): () => void {
    return resources.subscribe((changes) =>
      this.#debounce.add(
        typeUrl,
        changes.map((change) => change.key),
      ),
    )
  }
}

/** Books first, then numbers, then the log. */
function observe(log: ClientLog, counted: PushMetrics, logger: Logger): AdsServerObserver {
  return {
    connected(client) {
      log.connected(client)
      counted.connected?.(client)
      logger.info('client connected', { client: client.node.id, peer: client.peer.address, id: client.id })
    },
    disconnected(client) {
      log.disconnected(client)
      counted.disconnected?.(client)
      logger.info('client disconnected', { client: client.node.id, peer: client.peer.address, id: client.id })
    },
    sent(client, typeUrl, nonce, delta, bytes) {
      log.sent(client, typeUrl, nonce)
      counted.sent?.(client, typeUrl, nonce, delta, bytes)
      logger.debug('pushed', {
        client: client.node.id,
        type: shortType(typeUrl),
        changed: delta.changed.length,
        removed: delta.removed.length,
        bytes,
      })
    },
    acknowledged(client, typeUrl, nonce) {
      counted.acknowledged?.(client, typeUrl, nonce)
      log.acknowledged(client, typeUrl, nonce)
    },
    rejected(client, typeUrl, nonce, message) {
      counted.rejected?.(client, typeUrl, nonce, message)
      log.rejected(client, typeUrl, nonce, message)
      logger.error('client rejected resources', {
        client: client.node.id,
        type: shortType(typeUrl),
        reason: message.slice(0, 1024),
      })
    },
  }
}
