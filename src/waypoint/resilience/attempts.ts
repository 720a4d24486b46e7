import type { Clock } from '#shared/clock'
import type { Balancer } from '../balance/index.ts'
import { failedBackendReply } from './replies.ts'
import { RequestRun, type RunTools } from './request-run.ts'
import { RetryLedger } from './retry-ledger.ts'
import type { Asked, Attempted, SendOnce } from './types.ts'

export interface AttemptsOptions {
  readonly clock: Clock
  readonly balancer: Pick<Balancer, 'pick'>
  readonly sendOnce: SendOnce
  /** Of a request's body, for another attempt (`AMBIT_RETRY_BUFFER`). */
  readonly maxKeptBytes: number
}

/** Gets an answer for a request, from one endpoint or the next, within its time and what its cluster bears. */
export class Attempts {
  readonly #tools: RunTools

  constructor(options: AttemptsOptions) {
    this.#tools = { ...options, ledger: new RetryLedger() }
  }

  /**
   * Settles with the head of the answer that goes to the client; its body must be piped or discarded. Each place that was
   * picked is given back exactly once, the last one's at the end of that body.
   */
  async run(asked: Asked): Promise<Attempted> {
    const { exchange, to } = asked
    if (to.forward === undefined) throw new Error(`rule ${to.name} does not forward, but came to its attempts`)
    const backend = to.forward.backend.to
    if (backend.kind === 'failed') {
      exchange.body.discard()
      return failedBackendReply(backend.statusCode)
    }
    return new RequestRun(this.#tools, asked, backend).run()
  }
}
