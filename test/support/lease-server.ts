import type { ApiDocument, KubeClient } from '../../src/shared/kube-client/index.ts'
import { KubeApiError } from '../../src/shared/kube-client/index.ts'

/** One Lease as an API server keeps it: a write under an old resource version is a conflict. */
export class LeaseServer {
  #version = 0
  #lease: ApiDocument | undefined
  /** Every spec that was written, in order. */
  readonly history: ApiDocument[] = []

  get spec(): ApiDocument | undefined {
    return this.#lease?.spec as ApiDocument | undefined
  }

  get(): ApiDocument | undefined {
    return this.#lease
  }

  create(document: ApiDocument): ApiDocument {
    if (this.#lease !== undefined) throw new KubeApiError('exists', 409, 'AlreadyExists', 0)
    return this.#put(document.spec as ApiDocument)
  }

  patch(patch: ApiDocument): ApiDocument {
    if (this.#lease === undefined) throw new KubeApiError('gone', 404, 'NotFound', 0)
    const { resourceVersion } = patch.metadata as ApiDocument
    if (resourceVersion !== (this.#lease.metadata as ApiDocument).resourceVersion)
      throw new KubeApiError('changed', 409, 'Conflict', 0)
    return this.#put({ ...this.spec, ...(patch.spec as ApiDocument) })
  }

  delete(): void {
    this.#lease = undefined
  }

  /** @param way how a call gets there and back; may delay it, and lose it on either way */
  client(
    way: <T>(call: () => T) => Promise<T> = async (call) => call(),
  ): Pick<KubeClient, 'get' | 'create' | 'mergePatch'> {
    return {
      get: () => way(() => this.get()),
      create: (_resource, _namespace, document) => way(() => this.create(document)),
      mergePatch: (_resource, _id, patch) => way(() => this.patch(patch)),
    }
  }

  #put(spec: ApiDocument): ApiDocument {
    this.#lease = { metadata: { resourceVersion: String(++this.#version) }, spec }
    this.history.push(spec)
    return this.#lease
  }
}
