import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import type { ClientConfigMessage, StateRequest, StateResponse, TimestampMessage } from './messages.ts'
import { rpcCodes, STATE_ADS_PATH } from './rpc.ts'
import { type CallFacts, type RpcHandler, type ServerStream, StatusError } from './rpc-server.ts'
import { statusSchema, type Written } from './schema.ts'
import { type JsonObject, toStruct } from './struct.ts'

/** What one client has, as istioctl shows it. */
export interface ProxyState {
  readonly id: string
  readonly metadata: JsonObject
  readonly types: readonly {
    readonly typeUrl: string
    readonly state: 'SYNCED' | 'NOT SENT' | 'STALE' | 'NACKED'
    /** Of the last response; undefined before the first. */
    readonly sentAtMs: number | undefined
    /** Why something was refused; empty otherwise. */
    readonly error: string
  }[]
}

export interface StatusServiceSettings {
  /** This replica. */
  readonly identifier: { readonly id: string; readonly version: string }
  /** Rejects when it is not known who calls. @returns whether the caller may look */
  readonly authorize: (call: CallFacts) => Promise<boolean>
  readonly proxies: () => readonly ProxyState[]
  /** A page of the debug port by its name; undefined = there is none. */
  readonly page: (name: string) => Promise<string | undefined>
  readonly log: Logger
}

/** Asked by istioctl: what every client has, or a page of the debug port. */
const SYNC_TYPE = 'istio.io/debug/syncz'
const PAGE_TYPE = 'istio.io/debug'
const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig'
/** ConfigStatus of envoy.service.status.v3. */
const STATES = { SYNCED: 1, 'NOT SENT': 2, STALE: 3, NACKED: 4 } as const
/** A tool asks once or twice. */
const MAX_REQUESTS = 16

/**
 * `istioctl proxy-status` and its kind, which ask over state-of-the-world xDS on the port of the tunnels. Only status is
 * served there: a proxy that asks for its configuration is told that this takes delta xDS.
 */
export function statusHandler(settings: StatusServiceSettings): RpcHandler {
  return {
    kind: 'stream',
    path: STATE_ADS_PATH,
    open: async (call, stream) => {
      await requireRight(call, settings)
      const asked = new StatusStream(stream, settings)
      return { message: (bytes) => void asked.message(bytes), closed: () => {} }
    },
  }
}

async function requireRight(call: CallFacts, { authorize, log }: StatusServiceSettings): Promise<void> {
  let may: boolean
  try {
    may = await authorize(call)
  } catch (error) {
    log.warn('caller refused', { peer: call.peerAddress, error: reasonOf(error) })
    throw new StatusError({ code: rpcCodes.unauthenticated, message: 'authentication failure' })
  }
  if (!may)
    throw new StatusError({ code: rpcCodes.permissionDenied, message: 'only for accounts of the root namespace' })
}

class StatusStream {
  readonly #stream: ServerStream
  readonly #settings: StatusServiceSettings
  #requests = 0

  constructor(stream: ServerStream, settings: StatusServiceSettings) {
    this.#stream = stream
    this.#settings = settings
  }

  /** Never rejects. */
  async message(bytes: Buffer): Promise<void> {
    try {
      const request = statusSchema().request.decode(bytes)
      // An acknowledgement; tools put other things into the nonce of their first request.
      if (request.responseNonce === String(this.#requests) && this.#requests > 0) return
      if (++this.#requests > MAX_REQUESTS)
        return this.#stream.end({ code: rpcCodes.resourceExhausted, message: 'too many requests' })
      const resources = await this.#answer(request)
      if (resources === undefined)
        return this.#stream.end({
          code: rpcCodes.unimplemented,
          message: 'state-of-the-world xDS serves istio.io/debug only; proxies ask by delta xDS',
        })
      this.#stream.send(this.#encode(request.typeUrl, resources))
    } catch (error) {
      this.#settings.log.warn('request refused', { error: reasonOf(error) })
      this.#stream.end({ code: rpcCodes.invalidArgument, message: 'the request cannot be answered' })
    }
  }

  /** Undefined: nothing of the kind is served. */
  async #answer({ typeUrl, resourceNames }: StateRequest): Promise<StateResponse['resources'] | undefined> {
    if (typeUrl === SYNC_TYPE) {
      const { clientConfig } = statusSchema()
      return this.#settings
        .proxies()
        .map((proxy) => ({ type_url: CLIENT_CONFIG, value: clientConfig.encode(configOf(proxy)) }))
    }
    const [name, ...more] = resourceNames
    if (typeUrl !== PAGE_TYPE || name === undefined || more.length > 0) return undefined
    const page = await this.#settings.page(name)
    return page === undefined ? undefined : [{ type_url: PAGE_TYPE, value: Buffer.from(page) }]
  }

  #encode(typeUrl: string, resources: StateResponse['resources']): Buffer {
    const { id, version } = this.#settings.identifier
    // The form in which istioctl tells replicas apart.
    const identifier = JSON.stringify({ Component: 'istiod', ID: id, Info: { version } })
    const nonce = String(this.#requests)
    return statusSchema().response.encode({
      typeUrl,
      resources,
      nonce,
      versionInfo: nonce,
      controlPlane: { identifier },
    })
  }
}

function configOf({ id, metadata, types }: ProxyState): Written<ClientConfigMessage> {
  const genericXdsConfigs = types.map(({ typeUrl, state, sentAtMs, error }) => {
    const at = sentAtMs === undefined ? null : timestampOf(sentAtMs)
    const errorState = error === '' ? null : { lastUpdateAttempt: at, details: error }
    return { typeUrl, configStatus: STATES[state], lastUpdated: at, errorState }
  })
  return { node: { id, metadata: toStruct(metadata) }, genericXdsConfigs }
}

function timestampOf(atMs: number): TimestampMessage {
  const seconds = Math.floor(atMs / 1_000)
  return { seconds, nanos: Math.round((atMs - seconds * 1_000) * 1e6) }
}
