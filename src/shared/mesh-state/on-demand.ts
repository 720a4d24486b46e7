import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { AdsClient } from '#shared/xds'

export interface OnDemandOptions {
  readonly client: Pick<AdsClient, 'demand'>
  /** Of the Address type. */
  readonly typeUrl: string
  readonly clock: Clock
}

/** How long a connection waits for the control plane. Istio's ztunnel waits for ever. */
const TIMEOUT_MS = 5000
/** How long "nobody knows that name" is believed; a name that comes into being is pushed before that anyway. */
const ANSWER_KEPT_MS = 10_000
const MAX_NAMES = 10_000

/** Asks the control plane for names that connections need, each once however many connections wait. */
export class OnDemand {
  readonly #options: OnDemandOptions
  /** Under way, or answered not long ago; oldest first. */
  readonly #asked = new Map<string, { readonly answered: Promise<void>; readonly untilMs: number }>()

  constructor(options: OnDemandOptions) {
    this.#options = options
  }

  /**
   * Resolves when every name has come, or is known not to exist.
   *
   * @throws MeshError `XDS_STREAM_LOST` when the control plane does not answer in time: the connection must then end,
   *   since to take an unasked destination for an unknown one would send its bytes past the mesh
   */
  async ask(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#askOne(name)))
  }

  #askOne(name: string): Promise<void> {
    const known = this.#asked.get(name)
    const nowMs = this.#options.clock.monotonicMs()
    if (known !== undefined && known.untilMs > nowMs) return known.answered
    this.#asked.delete(name)
    const answered = this.#demand(name)
    this.#asked.set(name, { answered, untilMs: nowMs + ANSWER_KEPT_MS })
    answered.catch(() => this.#asked.delete(name)) // the next connection asks again
    const oldest = this.#asked.keys().next()
    if (this.#asked.size > MAX_NAMES && !oldest.done) this.#asked.delete(oldest.value)
    return answered
  }

  #demand(name: string): Promise<void> {
    const { client, typeUrl, clock } = this.#options
    return new Promise((resolve, reject) => {
      const late = (): void =>
        reject(new MeshError('XDS_STREAM_LOST', `the control plane did not say within ${TIMEOUT_MS} ms who ${name} is`))
      const timer = clock.setTimer(TIMEOUT_MS, late)
      client
        .demand(typeUrl, name)
        .then(resolve, reject)
        .finally(() => timer.cancel())
    })
  }
}
