import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import {
  AdsServer,
  type AdsServerObserver,
  type Authenticator,
  addressType,
  authorizationType,
  type ClientStatus,
  type ConnectedClient,
  type ResourceView,
  type RpcHandler,
} from '#shared/xds'
import type { Change, Collection, Graph } from '../collections/index.ts'
import type { Mesh } from '../mesh/index.ts'
import { ClientLog, type SyncState, syncState, type TypeProgress } from './client-log.ts'
import { Debounce, type DebounceSettings } from './debounce.ts'
import { type PushMetrics, registerPushMetrics, shortType } from './push-metrics.ts'
import { encodeResources, type PushResources } from './resources.ts'

export interface PushSettings {
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
  readonly #resources: PushResources
  readonly #ads: AdsServer
  readonly #log: ClientLog
  readonly #debounce: Debounce
  readonly #ends: readonly (() => void)[]

  constructor(graph: Graph, mesh: Mesh, settings: PushSettings) {
    const { clock, logger, metrics } = settings
    this.#resources = encodeResources(graph, mesh)
    this.#log = new ClientLog(clock)
    const counted = registerPushMetrics(metrics, clock, this.#log)
    this.#ads = new AdsServer({
      typeUrls: [addressType.typeUrl, authorizationType.typeUrl],
      source: (client, typeUrl) => this.#view(client, typeUrl),
      authenticate: settings.authenticate,
      clock,
      log: logger,
      observer: observe(this.#log, counted, logger),
    })
    this.#debounce = new Debounce(clock, settings.debounce, (changes, waitedMs) => {
      counted.debounced(waitedMs, changes)
      for (const [typeUrl, names] of changes) this.#ads.push(typeUrl, names)
    })
    this.#ends = [
      this.#follow(addressType.typeUrl, this.#resources.addresses),
      this.#follow(authorizationType.typeUrl, this.#resources.authorizations),
    ]
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

  #follow<T>(typeUrl: string, collection: Collection<T>): () => void {
    return collection.subscribe((changes: readonly Change<T>[]) =>
      this.#debounce.add(
        typeUrl,
        changes.map((change) => change.key),
      ),
    )
  }

  #view(client: ConnectedClient, typeUrl: string): ResourceView {
    if (typeUrl === authorizationType.typeUrl) return this.#resources.authorizationView()
    const node = client.node.metadata.NODE_NAME
    return this.#resources.addressView(typeof node === 'string' ? node : undefined)
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
