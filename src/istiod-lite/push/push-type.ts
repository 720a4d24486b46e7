import { createHash } from 'node:crypto'
import type { ConnectedClient, EncodedResource, ResourceView } from '#shared/xds'
import type { Collection } from '../collections/index.ts'

/** One kind of resource that clients ask for: a row of the push server's table. */
export interface PushType {
  readonly typeUrl: string
  /** Everything of that kind, by its name on the wire. What changes here is looked at again for every client. */
  readonly resources: Collection<EncodedResource>
  /** The resources as that client may see them. */
  view(client: ConnectedClient): ResourceView
}

/**
 * Resources that stand for themselves: no aliases, nothing on demand that was not asked for.
 *
 * @param isFor whether a client gets it at all; what it goes by must be part of the resource or fixed for the client's
 * life, as only a resource that changes is looked at again
 */
export function plainType<R extends EncodedResource>(
  typeUrl: string,
  resources: Collection<R>,
  isFor: (resource: R, client: ConnectedClient) => boolean = () => true,
): PushType {
  return { typeUrl, resources, view: (client) => new PlainView(resources, (resource) => isFor(resource, client)) }
}

/**
 * Body and version of a resource. Equal bytes have an equal version in every process, so a client that comes back, here or
 * at another replica, is sent only what is new to it.
 */
export function versioned(body: Uint8Array): Pick<EncodedResource, 'body' | 'version'> {
  return { body, version: createHash('sha256').update(body).digest('base64url').slice(0, VERSION_CHARACTERS) }
}

/** 96 bits. */
const VERSION_CHARACTERS = 16

class PlainView<R extends EncodedResource> implements ResourceView {
  readonly #resources: Collection<R>
  readonly #isSeen: (resource: R) => boolean

  constructor(resources: Collection<R>, isSeen: (resource: R) => boolean) {
    this.#resources = resources
    this.#isSeen = isSeen
  }

  all(): Iterable<EncodedResource> {
    return this.#resources.list().filter(this.#isSeen)
  }

  get(name: string): EncodedResource | undefined {
    const resource = this.#resources.get(name)
    return resource !== undefined && this.#isSeen(resource) ? resource : undefined
  }

  resolve(name: string): readonly EncodedResource[] {
    const resource = this.get(name)
    return resource === undefined ? [] : [resource]
  }

  isUnasked(): boolean {
    return false
  }
}
