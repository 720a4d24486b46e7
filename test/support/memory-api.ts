import {
  type ApiDocument,
  type ApiObjectId,
  type ApiResource,
  KubeApiError,
} from '../../src/shared/kube-client/index.ts'

export type ApiCall = {
  readonly verb: 'get' | 'list' | 'create' | 'patch'
  readonly resource: string
  readonly name: string
}

type Metadata = { readonly name: string; readonly namespace?: string; readonly resourceVersion: string } & ApiDocument
export type MemoryObject = ApiDocument & { readonly metadata: Metadata }

/** Objects as an API server keeps them, without its wire: a patch under an old resource version is a conflict. */
export class MemoryApi {
  readonly #objects = new Map<string, MemoryObject>()
  #version = 0
  /** Every call that came, in order. */
  readonly calls: ApiCall[] = []
  /** Looks at each call before it is answered; may hold it up, change objects, or refuse by throwing. */
  before: (call: ApiCall) => Promise<void> | void = () => {}

  get(resource: ApiResource, id: ApiObjectId): Promise<ApiDocument | undefined> {
    return this.#answer('get', resource, id.name, () => this.find(resource, id))
  }

  listPage(
    resource: ApiResource,
    _options: object,
    {
      limit = Number.POSITIVE_INFINITY,
      continueToken,
    }: { readonly limit: number | undefined; readonly continueToken: string },
  ): Promise<{ readonly items: readonly unknown[]; readonly resourceVersion: string; readonly continueToken: string }> {
    return this.#answer('list', resource, '', () => {
      const from = Number(continueToken)
      const all = this.all(resource)
      const next = from + limit < all.length ? String(from + limit) : ''
      return { items: all.slice(from, from + limit), resourceVersion: String(this.#version), continueToken: next }
    })
  }

  create(resource: ApiResource, namespace: string, document: ApiDocument): Promise<ApiDocument> {
    const metadata = document.metadata as Metadata
    return this.#answer('create', resource, metadata.name, () => {
      const id = { namespace, name: metadata.name }
      if (this.find(resource, id) !== undefined) throw refused(409)
      return this.put(resource, id, document)
    })
  }

  mergePatch(resource: ApiResource, id: ApiObjectId, patch: ApiDocument): Promise<ApiDocument> {
    return this.#answer('patch', resource, id.name, () => {
      const object = this.find(resource, id)
      if (object === undefined) throw refused(404)
      const { resourceVersion } = patch.metadata as Metadata
      if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion) throw refused(409)
      return this.put(resource, id, merged(object, patch) as ApiDocument)
    })
  }

  /** As somebody else writes it. */
  put(resource: ApiResource, id: ApiObjectId, document: ApiDocument): MemoryObject {
    const { name, namespace } = id
    const given = document.metadata as ApiDocument | undefined
    const object = { ...document, metadata: { ...given, name, namespace, resourceVersion: String(++this.#version) } }
    this.#objects.set(keyOf(resource, id), object)
    return object
  }

  find(resource: ApiResource, id: ApiObjectId): MemoryObject | undefined {
    return this.#objects.get(keyOf(resource, id))
  }

  all(resource: ApiResource): readonly MemoryObject[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${resource.resource} `)).map(([, object]) => object)
  }

  remove(resource: ApiResource, id: ApiObjectId): void {
    this.#objects.delete(keyOf(resource, id))
  }

  async #answer<T>(verb: ApiCall['verb'], { resource }: ApiResource, name: string, act: () => T): Promise<T> {
    const call = { verb, resource, name }
    this.calls.push(call)
    await this.before(call)
    return act()
  }
}

export function refused(status: number): KubeApiError {
  return new KubeApiError(`was answered with ${status}`, status, '', 0)
}

function keyOf({ resource }: ApiResource, { namespace, name }: ApiObjectId): string {
  return `${resource} ${namespace}/${name}`
}

/** RFC 7386. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {}
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = merged(result[key], value)
  }
  return result
}
