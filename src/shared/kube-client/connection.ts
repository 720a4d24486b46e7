import type { Readable } from 'node:stream'
import { openChannels } from './channel-stream.ts'
import { ApiClient, DEFAULT_TIMEOUT_MS, type KubeClientSettings } from './client.ts'
import type { ConfiguredLogin } from './kube-config.ts'
import { Transport } from './transport.ts'
import type { ApiRequest, ChannelStream, KubeAccess, KubeConnection } from './types.ts'

/** As `openKubeClient`, for who needs more than objects: tables, logs, streams into pods. */
export async function openKubeConnection(access: KubeAccess, settings: KubeClientSettings): Promise<KubeConnection> {
  const { openLogin } = await import('./kube-config.ts')
  return new ApiConnection(openLogin(access), settings)
}

class ApiConnection extends ApiClient implements KubeConnection {
  readonly context: string
  readonly namespace: string
  readonly #transport: Transport

  constructor(login: ConfiguredLogin, settings: KubeClientSettings) {
    super(login, settings)
    this.context = login.context
    this.namespace = login.namespace
    this.#transport = new Transport(login, {
      clock: settings.clock,
      timeoutMs: settings.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    })
  }

  json(request: ApiRequest): Promise<unknown> {
    return this.#transport.json(request)
  }

  stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<Readable> {
    return this.#transport.stream(request)
  }

  channels(path: string, protocols: readonly string[], signal: AbortSignal): Promise<ChannelStream> {
    return openChannels(this.#transport, path, protocols, signal)
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#transport.close()
  }
}
