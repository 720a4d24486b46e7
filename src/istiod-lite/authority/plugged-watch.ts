import type { Clock } from '#shared/clock'
import type { Logger } from '#shared/telemetry'
import type { CaDocument } from './ca-document.ts'
import { type PluggedIn, type ReadPluggedIn, readPluggedIn } from './plugged-in.ts'

/** What is plugged in, as it was found last. */
export type Plugged =
  | { readonly kind: 'none' }
  | { readonly kind: 'usable'; readonly found: PluggedIn }
  | { readonly kind: 'unusable'; readonly error: Error }

/** Looks at the places of a plugged-in CA, and tries what it has not seen before. */
export class PluggedWatch {
  readonly #places: readonly ReadPluggedIn[]
  readonly #parts: { readonly trustDomain: string; readonly clock: Clock; readonly logger: Logger }
  #now: Plugged = { kind: 'none' }
  #seen: string | undefined

  /** @param places the first that has one counts */
  constructor(
    places: readonly ReadPluggedIn[],
    parts: { readonly trustDomain: string; readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#places = places
    this.#parts = parts
  }

  get now(): Plugged {
    return this.#now
  }

  /** Never rejects: what cannot be read or used is `unusable`. */
  async look(): Promise<void> {
    try {
      let texts: CaDocument | undefined
      for (const read of this.#places) texts ??= await read()
      const text = texts === undefined ? undefined : JSON.stringify(Object.entries(texts).sort())
      // What could not be used may be usable by now: certificates become valid.
      if (text === this.#seen && this.#now.kind !== 'unusable') return
      this.#now = texts === undefined ? this.#nothing() : await this.#try(texts)
      this.#seen = text
    } catch (thrown) {
      this.#now = this.#refuse(thrown)
    }
  }

  #nothing(): Plugged {
    if (this.#now.kind !== 'none') this.#parts.logger.warn('the plugged-in CA is gone; the one that signs goes on')
    return { kind: 'none' }
  }

  async #try(texts: CaDocument): Promise<Plugged> {
    const { trustDomain, clock } = this.#parts
    return { kind: 'usable', found: await readPluggedIn(texts, trustDomain, clock.nowMs()) }
  }

  #refuse(thrown: unknown): Plugged {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    if (this.#now.kind !== 'unusable' || this.#now.error.message !== error.message)
      this.#parts.logger.error('the plugged-in CA is refused; the one that signs goes on', { reason: error.message })
    return { kind: 'unusable', error }
  }
}
