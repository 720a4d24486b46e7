import { MeshError } from '#shared/errors'
import type { CaStore, HeldDocument, Texts } from '../../src/istiod-lite/authority/index.ts'

/** A place for a CA, shared by several keepers of one test. */
export class MemoryCaStore implements CaStore {
  readonly where = 'memory'
  texts: Record<string, string> | undefined
  request = ''
  /** As when the API does not answer. */
  isDown = false
  #version = 0

  async read(): Promise<HeldDocument | undefined> {
    this.#reach()
    if (this.texts === undefined) return undefined
    return { texts: { ...this.texts }, version: String(this.#version), request: this.request }
  }

  async create(texts: Texts): Promise<boolean> {
    this.#reach()
    if (this.texts !== undefined) return false
    this.texts = {}
    this.#set(texts)
    return true
  }

  async change(texts: Texts, version: string | undefined): Promise<boolean> {
    this.#reach()
    if (this.texts === undefined || (version !== undefined && version !== String(this.#version))) return false
    this.#set(texts)
    return true
  }

  #set(texts: Texts): void {
    this.#version++
    const all = Object.entries({ ...this.texts, ...texts }).filter(([, text]) => text !== null)
    this.texts = Object.fromEntries(all) as Record<string, string>
  }

  #reach(): void {
    if (this.isDown) throw new MeshError('KUBE_API_UNREACHABLE', 'the store does not answer')
  }
}
