import { MeshError } from '#shared/errors'
import type { Leadership } from '../../src/istiod-lite/leadership/index.ts'

/** Leads when a test says so. */
export class FakeLeadership implements Leadership {
  #isLeader: boolean
  readonly #listeners = new Set<(isLeader: boolean) => void>()

  constructor(isLeader = true) {
    this.#isLeader = isLeader
  }

  get isLeader(): boolean {
    return this.#isLeader
  }

  set isLeader(isLeader: boolean) {
    this.#isLeader = isLeader
    for (const listener of this.#listeners) listener(isLeader)
  }

  async perform<T>(write: () => Promise<T>): Promise<T> {
    if (!this.#isLeader) throw new MeshError('NOT_LEADER', 'another one leads')
    return write()
  }

  subscribe(listener: (isLeader: boolean) => void): () => void {
    this.#listeners.add(listener)
    listener(this.#isLeader)
    return () => void this.#listeners.delete(listener)
  }
}
