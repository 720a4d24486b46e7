import type { Clock, Timer } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { Canceller } from '#shared/lifecycle'
import type { AttemptOutcome, Picked } from '../balance/index.ts'
import type { ResponseHead, UpstreamExchange, UpstreamResponse } from '../codec/index.ts'

export type HeadEnd =
  | { readonly kind: 'answered'; readonly response: UpstreamResponse; readonly upstream: UpstreamExchange }
  | { readonly kind: 'failed'; readonly error: MeshError; readonly isTooSlow: boolean }
  /** The request is over, whatever this attempt would have come to. */
  | { readonly kind: 'interrupted'; readonly error: MeshError }

export interface AttemptEvents {
  /** The head is on its way: the body may follow. */
  onSent(upstream: UpstreamExchange): void
  onInformational(head: ResponseHead): void
}

/**
 * One request to one endpoint, until the head of its answer. The place at the endpoint is given back here unless it
 * answers: then that is up to whoever carries the answer.
 */
export class Attempt {
  /** Rejected only by what no endpoint can bring about: a fault of ours. */
  readonly headEnd: Promise<HeadEnd>
  readonly #picked: Picked
  readonly #events: AttemptEvents
  readonly #connecting = new Canceller()
  #resolve!: (end: HeadEnd) => void
  #reject!: (fault: unknown) => void
  #timer: Timer | undefined
  #upstream: UpstreamExchange | undefined
  #isOver = false

  constructor(picked: Picked, events: AttemptEvents) {
    this.#picked = picked
    this.#events = events
    this.headEnd = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** @param send begins it; its cancellation comes true when nobody waits any more */
  begin(
    send: (cancellation: Canceller) => UpstreamExchange | Promise<UpstreamExchange>,
    clock: Clock,
    timeoutMs: number | undefined,
  ): void {
    if (timeoutMs !== undefined) this.#timer = clock.setTimer(timeoutMs, this.#tooSlow)
    try {
      const sending = send(this.#connecting)
      if (sending instanceof Promise) sending.then(this.#sent, this.#failed)
      else this.#sent(sending)
    } catch (error) {
      this.#failed(error)
    }
  }

  interrupt(error: MeshError): void {
    // A client that goes says nothing of the endpoint, but one that let the whole time pass was too slow.
    const isSlow = error.code === 'UPSTREAM_TIMEOUT'
    this.#giveUp(isSlow ? { kind: 'failed', isLocalOrigin: true } : { kind: 'given-up' })
    this.#over({ kind: 'interrupted', error })
  }

  readonly #tooSlow = (): void => {
    const error = new MeshError('UPSTREAM_TIMEOUT', 'no answer within the time for one attempt')
    this.#giveUp({ kind: 'failed', isLocalOrigin: true })
    this.#over({ kind: 'failed', error, isTooSlow: true })
  }

  readonly #sent = (upstream: UpstreamExchange): void => {
    upstream.response.then(this.#answered, this.#failed)
    if (this.#isOver) {
      upstream.cancel()
      return
    }
    this.#upstream = upstream
    upstream.onInformational = this.#informed
    this.#events.onSent(upstream)
  }

  readonly #informed = (head: ResponseHead): void => {
    if (!this.#isOver) this.#events.onInformational(head)
  }

  readonly #answered = (response: UpstreamResponse): void => {
    if (this.#isOver || this.#upstream === undefined) response.body.discard()
    else this.#over({ kind: 'answered', response, upstream: this.#upstream })
  }

  readonly #failed = (error: unknown): void => {
    if (this.#isOver) return
    if (error instanceof MeshError) {
      this.#picked.done(outcomeOf(error))
      this.#over({ kind: 'failed', error, isTooSlow: false })
      return
    }
    this.#giveUp({ kind: 'given-up' })
    this.#isOver = true
    this.#timer?.cancel()
    this.#reject(error)
  }

  #giveUp(outcome: AttemptOutcome): void {
    if (this.#isOver) return
    this.#connecting.cancel()
    this.#upstream?.cancel()
    this.#picked.done(outcome)
  }

  #over(end: HeadEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    this.#resolve(end)
  }
}

/** What an error says of the endpoint: nothing when it is ours. */
export function outcomeOf({ code, spec }: MeshError): AttemptOutcome {
  if (spec.side !== 'upstream') return { kind: 'given-up' }
  return { kind: 'failed', isLocalOrigin: code !== 'UPSTREAM_PROTOCOL' }
}
