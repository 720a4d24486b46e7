import { createHash } from 'node:crypto'
import type { ResourceRegistry } from '../definition-types.ts'
import type { OpenApi } from '../types.ts'
import { documentV2 } from './document-v2.ts'
import { documentV3 } from './document-v3.ts'
import { type Described, describedByPath } from './group-versions.ts'

const JSON_TYPE = 'application/json'
/** What kubectl asks for has an `@`, which Go's own parser refuses in an answer. */
const V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** A document, ready to send. */
interface Document {
  readonly contentType: string
  readonly body: Uint8Array
  /** SHA-256 of the body, upper-case hex: kubectl's cache key. */
  readonly hash: string
}

/** What one group and version was made from, and what came out. */
interface Made {
  readonly kinds: readonly Described[]
  readonly document: Document
}

/**
 * OpenAPI v3, one document a group and version, and v2 for all. A document is made when it is first asked for, and
 * again only when something in it has changed.
 */
export function createOpenApi(registry: ResourceRegistry): OpenApi {
  return new RegistryOpenApi(registry)
}

class RegistryOpenApi implements OpenApi {
  readonly #registry: ResourceRegistry
  readonly #made = new Map<string, Made>()
  #seen: { readonly generation: number; readonly paths: ReadonlyMap<string, readonly Described[]> } | undefined
  #index: { readonly generation: number; readonly document: Document } | undefined
  #v2: { readonly generation: number; readonly document: Document } | undefined

  constructor(registry: ResourceRegistry) {
    this.#registry = registry
  }

  answer({ path }: { readonly path: string }): ReturnType<OpenApi['answer']> {
    const document = this.#documentAt(path.replace(/\/+$/, ''))
    if (document === undefined) return undefined
    const { contentType, body, hash } = document
    return { contentType, body, etag: `"${hash}"` }
  }

  #documentAt(path: string): Document | undefined {
    if (path === '/openapi/v2') return this.#documentV2()
    if (path === '/openapi/v3') return this.#documentIndex()
    return path.startsWith('/openapi/v3/') ? this.#documentV3(path.slice('/openapi/v3/'.length)) : undefined
  }

  #paths(): ReadonlyMap<string, readonly Described[]> {
    const { generation } = this.#registry
    if (this.#seen?.generation !== generation) {
      this.#seen = { generation, paths: describedByPath(this.#registry) }
      for (const path of this.#made.keys()) if (!this.#seen.paths.has(path)) this.#made.delete(path)
    }
    return this.#seen.paths
  }

  #documentIndex(): Document {
    const { generation } = this.#registry
    if (this.#index?.generation !== generation) {
      const paths = [...this.#paths().keys()].sort().map((path) => {
        const hash = this.#documentV3(path)?.hash ?? ''
        return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]
      })
      this.#index = { generation, document: jsonDocument({ paths: Object.fromEntries(paths) }) }
    }
    return this.#index.document
  }

  #documentV3(path: string): Document | undefined {
    const kinds = this.#paths().get(path)
    if (kinds === undefined) return undefined
    const made = this.#made.get(path)
    if (made !== undefined && isSame(made.kinds, kinds)) return made.document
    const document = jsonDocument(documentV3(kinds))
    this.#made.set(path, { kinds, document })
    return document
  }

  #documentV2(): Document {
    const { generation } = this.#registry
    if (this.#v2?.generation !== generation) {
      this.#v2 = { generation, document: document(V2_TYPE, documentV2([...this.#paths().values()].flat())) }
    }
    return this.#v2.document
  }
}

/** Whether nothing that a document says has changed. */
function isSame(a: readonly Described[], b: readonly Described[]): boolean {
  return (
    a.length === b.length && a.every(({ source, version }, i) => source === b[i]?.source && version === b[i].version)
  )
}

function jsonDocument(value: object): Document {
  return document(JSON_TYPE, Buffer.from(JSON.stringify(value)))
}

function document(contentType: string, body: Uint8Array): Document {
  return { contentType, body, hash: createHash('sha256').update(body).digest('hex').toUpperCase() }
}
