import { MeshError } from '#shared/errors'
import type { CaStore, HeldDocument, Texts } from '../../src/istiod-lite/authority/index.ts'

/** A place for a CA, shared by several keepers of one test. */
export class MemoryCaStore implements CaStore {
  readonly where = 'memory'
  texts: Record<string, string> | undefined
  request = ''
  readonly #cut = new Set<string>()
  #version = 0

  /** The same place, as one keeper reaches it. */
  seenBy(name: string): CaStore {
    const reach = (): void => {
      if (this.#cut.has(name)) throw new MeshError('KUBE_API_UNREACHABLE', 'the store does not answer')
    }
    return {
      where: this.where,
      read: async () => {
        reach()
        return this.read()
      },
      create: async (texts) => {
        reach()
        return this.create(texts)
      },
      change: async (texts, version) => {
        reach()
        return this.change(texts, version)
      },
    }
  }

  /** Does not answer that keeper any more. */
  cut(name: string): void {
    this.#cut.add(name)
  }

  join(name: string): void {
    this.#cut.delete(name)
  }

  toggle(name: string): void {
    if (!this.#cut.delete(name)) this.#cut.add(name)
  }

  async read(): Promise<HeldDocument | undefined> {
    if (this.texts === undefined) return undefined
    return { texts: { ...this.texts }, version: String(this.#version), request: this.request }
  }

  async create(texts: Texts): Promise<boolean> {
    if (this.texts !== undefined) return false
    this.texts = {}
    this.#set(texts)
    return true
  }

  async change(texts: Texts, version: string | undefined): Promise<boolean> {
    if (this.texts === undefined || (version !== undefined && version !== String(this.#version))) return false
    this.#set(texts)
    return true
  }

  #set(texts: Texts): void {
    this.#version++
    const all = Object.entries({ ...this.texts, ...texts }).filter(([, text]) => text !== null)
    this.texts = Object.fromEntries(all) as Record<string, string>
  }
}
