import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { type ApiDocument, type ApiResource, isStatus, type KubeClient } from '#shared/kube-client'
import type { CaDocument } from './ca-document.ts'
import type { CaStore, HeldDocument, Texts } from './ca-store.ts'

export const SECRETS: ApiResource = { apiVersion: 'v1', kind: 'Secret', resource: 'secrets', namespaced: true }
/** Istio's name for it: whoever moves between the two keeps the root. */
export const CA_SECRET = 'istio-ca-secret'
/** Set on the Secret to any new text to have the CA replaced. */
export const ROTATE_ANNOTATION = 'ambit.dev/rotate-ca'
const SECRET_TYPE = 'istio.io/ca-root'
/** Several times what we write. */
const MAX_CHARS = 1 << 20

/** The CA in a Secret. Several replicas that start at once all try to create it; whoever was late reads it. */
export class SecretStore implements CaStore {
  readonly where: string
  readonly #client: Pick<KubeClient, 'get' | 'create' | 'mergePatch'>
  readonly #namespace: string

  constructor(client: Pick<KubeClient, 'get' | 'create' | 'mergePatch'>, namespace: string) {
    this.#client = client
    this.#namespace = namespace
    this.where = `Secret ${namespace}/${CA_SECRET}`
  }

  async read(): Promise<HeldDocument | undefined> {
    const secret = await this.#client.get(SECRETS, this.#id)
    if (secret === undefined) return undefined
    const metadata = isRecord(secret.metadata) ? secret.metadata : {}
    const annotations = isRecord(metadata.annotations) ? metadata.annotations : {}
    const request = annotations[ROTATE_ANNOTATION]
    return {
      texts: secretTexts(secret, this.where),
      version: String(metadata.resourceVersion),
      request: typeof request === 'string' ? request.slice(0, 256) : '',
    }
  }

  async create(texts: Texts): Promise<boolean> {
    const metadata = { name: CA_SECRET, namespace: this.#namespace }
    try {
      await this.#client.create(SECRETS, this.#namespace, { metadata, type: SECRET_TYPE, data: encoded(texts, false) })
      return true
    } catch (error) {
      if (isStatus(error, 409)) return false
      throw error
    }
  }

  async change(texts: Texts, version: string | undefined): Promise<boolean> {
    const metadata = version === undefined ? {} : { metadata: { resourceVersion: version } }
    try {
      await this.#client.mergePatch(SECRETS, this.#id, { ...metadata, data: encoded(texts, true) })
      return true
    } catch (error) {
      if (isStatus(error, 404, 409)) return false
      throw error
    }
  }

  get #id(): { readonly namespace: string; readonly name: string } {
    return { namespace: this.#namespace, name: CA_SECRET }
  }
}

/** @throws MeshError `CONFIG_INVALID` when a value is no base64 text, or all are too long */
export function secretTexts(secret: ApiDocument, where: string): CaDocument {
  const data = isRecord(secret.data) ? secret.data : {}
  let chars = 0
  const texts: Record<string, string> = {}
  for (const [key, value] of Object.entries(data)) {
    if (typeof value !== 'string') throw new MeshError('CONFIG_INVALID', `${where}: ${key} is no text`)
    chars += value.length
    if (chars > MAX_CHARS) throw new MeshError('CONFIG_INVALID', `${where} is larger than ${MAX_CHARS} characters`)
    texts[key] = Buffer.from(value, 'base64').toString()
  }
  return texts
}

function encoded(texts: Texts, areRemovalsSaid: boolean): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([key, text]): [string, string | null][] => {
      if (text !== null) return [[key, Buffer.from(text).toString('base64')]]
      return areRemovalsSaid ? [[key, null]] : []
    }),
  )
}
