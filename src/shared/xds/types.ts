import type { Closer } from '#shared/lifecycle'

/** One kind of resource on the wire. */
export interface ResourceType<T> {
  readonly typeUrl: string
  encode(resource: T): Uint8Array
  /** @throws MeshError `RESOURCE_INVALID` with the reason, which goes into the NACK */
  decode(bytes: Uint8Array): T
  /**
   * What to go by in place of a resource that `decode` refuses, while no good one of its name is held; undefined when
   * nothing is better than that.
   */
  standIn?(bytes: Uint8Array): T | undefined
  /** Fields that we do not know and can do without, each once, as words for a log. */
  ignoredFields?(bytes: Uint8Array): readonly string[]
}

/** What a response adds or changes, and removes, in the order of hbone-and-ztunnel a.3. */
export interface ResourceUpdate<T> {
  readonly changed: readonly { readonly name: string; readonly version: string; readonly resource: T }[]
  readonly removed: readonly string[]
}

/** Why one resource was not taken. */
export interface Rejection {
  readonly name: string
  readonly reason: string
}

/** A subscription of the client. */
export interface Subscription<T> {
  readonly type: ResourceType<T>
  /** `wildcard` asks for everything; `on-demand` subscribes to nothing and asks by name. */
  readonly mode: 'wildcard' | 'on-demand'
  /** Applies the good resources of one response at once; returns those it rejects. Names the decoder rejected are added. */
  apply(update: ResourceUpdate<T>): readonly Rejection[]
}

export interface AdsClient extends Closer {
  /** Every wildcard type has had one acknowledged response. */
  readonly isSynced: boolean
  /** Resolves when `isSynced`. */
  readonly synced: Promise<void>
  /** On demand: asks for one name; resolves when it, or its removal or rejection, has arrived. */
  demand(typeUrl: string, name: string): Promise<void>
}

/** One resource as the server holds it: `version` is a content hash or empty. */
export interface EncodedResource {
  readonly name: string
  readonly version: string
  readonly aliases: readonly string[]
  readonly body: Uint8Array
}

/** What a connected client told about itself. */
export interface AdsNode {
  readonly id: string
  readonly metadata: Readonly<Record<string, unknown>>
}

/** The caller behind a stream, from its token; see `TokenAuthenticator` of the server. */
export interface AdsPeer {
  /** `ip:port`. */
  readonly address: string
  readonly principal: string | undefined
}
