import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { findSuccessor, type Successor } from './bequest.ts'
import { becomeHeir, type Heir, type HeirOptions } from './heir.ts'

/** The place of this process in the row of a node's tunnels. Without it a tunnel's end cuts what another could go on with. */
export class Succession implements Closer {
  readonly #options: HeirOptions & { readonly clock: Clock }
  #heir: Heir | undefined
  #isClosed = false

  constructor(options: HeirOptions & { readonly clock: Clock }) {
    this.#options = options
  }

  /** Pods are served: from now on the tunnel that is here may leave its connections to this one. */
  begin(): void {
    if (this.#isClosed) return
    try {
      this.#heir = becomeHeir(this.#options)
    } catch (error) {
      this.#options.log.warn('no tunnel can leave its connections here', { reason: reasonOf(error) })
    }
  }

  /** Who takes this one's place, if anybody does; nothing is taken here any more. */
  async end(): Promise<Successor | undefined> {
    this.#isClosed = true
    const heir = this.#heir
    if (heir === undefined) return undefined
    const { clock, log } = this.#options
    try {
      return findSuccessor(heir.path, clock, log)
    } catch (error) {
      log.warn('no successor can be found', { reason: reasonOf(error) })
      return undefined
    } finally {
      await heir.close()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#heir?.close()
  }
}
