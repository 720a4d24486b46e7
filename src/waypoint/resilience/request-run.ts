import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { RetryPolicy } from '#shared/l7'
import type { Balancer, ClusterBackend, Endpoint, Picked, WorkloadBackend } from '../balance/index.ts'
import { isGrpc, type LocalReply, type ResponseHead, type UpstreamExchange } from '../codec/index.ts'
import { AnswerBody } from './answer-body.ts'
import { Attempt, type HeadEnd, outcomeOf } from './attempt.ts'
import { type AttemptShare, readAttemptCount, shareOf, writeAttemptCount } from './attempt-count.ts'
import { Deadline, grpcTimeoutMs, timeoutOf, writeGrpcTimeout } from './deadline.ts'
import { clientFaultReply, failureReply, refusedReply, timeoutReply } from './replies.ts'
import { RequestRelay } from './request-relay.ts'
import { type AttemptEnd, isRetriable, isUnsent, repeatsWork } from './retry-decision.ts'
import type { Retry, RetryLedger } from './retry-ledger.ts'
import { waitBeforeRetryMs } from './retry-wait.ts'
import type { Asked, Attempted, RetryStop, SendOnce } from './types.ts'

export interface RunTools {
  readonly clock: Clock
  readonly balancer: Pick<Balancer, 'pick'>
  readonly sendOnce: SendOnce
  readonly ledger: RetryLedger
  readonly maxKeptBytes: number
}

type FinishedHead = Exclude<HeadEnd, { kind: 'interrupted' }>

/** What follows a failure: another attempt after a while, or nothing, for that reason (undefined = it is not of that kind). */
type Next = { readonly retry: Retry; readonly waitMs: number } | { readonly stop: RetryStop | undefined }

/** All attempts of one request, one after the other. */
export class RequestRun {
  readonly #tools: RunTools
  readonly #asked: Asked
  readonly #backend: ClusterBackend | WorkloadBackend
  readonly #policy: RetryPolicy | undefined
  readonly #isGrpc: boolean
  readonly #share: AttemptShare
  readonly #deadline: Deadline
  /** Than what a client of gRPC sets itself. */
  readonly #isRouteShorter: boolean
  /** Undefined = there is no body. */
  readonly #relay: RequestRelay | undefined
  readonly #avoid: Endpoint[] = []
  #repeats = 0
  #unsentRetries = 0
  #retry: Retry | undefined
  /** What ended the request from outside, for good. */
  #interruption: MeshError | undefined
  /** Whoever waits for something now. */
  #onInterrupt: ((error: MeshError) => void) | undefined

  constructor(tools: RunTools, asked: Asked, backend: ClusterBackend | WorkloadBackend) {
    const { request, body } = asked.exchange
    this.#tools = tools
    this.#asked = asked
    this.#backend = backend
    this.#policy = asked.to.retry
    this.#isGrpc = isGrpc(request)
    this.#share = shareFor(this.#policy, asked, this.#isGrpc)
    const timeoutMs = timeoutOf(request, asked.to.timeoutMs, this.#isGrpc)
    this.#deadline = new Deadline(tools.clock, timeoutMs)
    this.#isRouteShorter = timeoutMs !== grpcTimeoutMs(request)
    this.#relay =
      body.lengthBytes === 0
        ? undefined
        : new RequestRelay(this.#policy === undefined ? 0 : tools.maxKeptBytes, {
            onComplete: () => this.#deadline.start(),
            onAborted: (error) => this.#interrupt(error),
          })
  }

  async run(): Promise<Attempted> {
    try {
      this.#begin()
      return await this.#attempts()
    } catch (fault) {
      this.#giveUp()
      throw fault
    }
  }

  async #attempts(): Promise<Attempted> {
    for (;;) {
      if (this.#interruption !== undefined) return this.#end(interruptedReply(this.#interruption))
      const picked = this.#pick()
      if (typeof picked === 'string') return this.#end(refusedReply(picked))
      const end = this.#unlessInterrupted(picked, await this.#attempt(picked))
      if (end.kind === 'interrupted') return this.#end(interruptedReply(end.error))
      const next = this.#next(picked, end)
      if ('stop' in next) return this.#last(picked, end, next.stop)
      this.#drop(picked, end)
      await this.#wait(next.waitMs)
    }
  }

  #begin(): void {
    const { exchange, cancellation } = this.#asked
    if (cancellation.isCancelled) this.#interrupt(clientGone())
    cancellation.onCancelled = () => this.#interrupt(clientGone())
    this.#deadline.onOver = () =>
      this.#interrupt(new MeshError('UPSTREAM_TIMEOUT', 'no answer within the route’s time'))
    // An upgrade's request has no end before its answer has one.
    if (this.#relay === undefined || exchange.request.upgrade !== undefined) this.#deadline.start()
    if (this.#relay === undefined) exchange.body.discard()
    else exchange.body.pipe(this.#relay)
  }

  #interrupt(error: MeshError): void {
    if (this.#interruption !== undefined) return
    this.#interruption = error
    this.#onInterrupt?.(error)
  }

  #pick(): ReturnType<Balancer['pick']> {
    const { exchange, dialled, course } = this.#asked
    const isRetry = course.attempts > 0
    return this.#tools.balancer.pick(this.#backend, {
      exchange,
      avoid: this.#avoid,
      isRetry,
      usesRemoteLocalities: isRetry && (this.#policy?.usesRemoteLocalities ?? false),
      dialled,
    })
  }

  #attempt(picked: Picked): Promise<HeadEnd> {
    const { exchange, course } = this.#asked
    const { clock, sendOnce, ledger } = this.#tools
    if (course.attempts++ === 0) ledger.request(picked.cluster)
    else this.#retry?.sent()
    course.picked = picked
    course.sentAtMs = clock.monotonicMs()
    this.#address()
    const attempt = new Attempt(picked, this)
    this.#onInterrupt = (error) => attempt.interrupt(error)
    const lengthBytes = exchange.body.lengthBytes
    attempt.begin(
      (cancellation) => sendOnce(picked, exchange.request, lengthBytes, cancellation),
      clock,
      this.#policy?.perTryTimeoutMs,
    )
    return attempt.headEnd
  }

  /** An interruption may have come after the answer's head, while nobody was there to hear of it. */
  #unlessInterrupted(picked: Picked, end: HeadEnd): HeadEnd {
    this.#onInterrupt = undefined
    if (this.#interruption === undefined || end.kind === 'interrupted') return end
    if (end.kind === 'answered') {
      end.upstream.cancel()
      end.response.body.discard()
      picked.done({ kind: 'given-up' })
    }
    return { kind: 'interrupted', error: this.#interruption }
  }

  onSent(upstream: UpstreamExchange): void {
    if (this.#relay === undefined) upstream.body.end(undefined)
    else this.#relay.attach(upstream.body)
  }

  onInformational(head: ResponseHead): void {
    this.#asked.exchange.inform(head)
  }

  /** What this attempt tells of itself: which one it is, and how long it has. */
  #address(): void {
    const { exchange, course } = this.#asked
    const { handedOn } = this.#share
    if (handedOn !== undefined) {
      const count = this.#repeats === 0 ? handedOn : { attempt: handedOn.attempt + this.#repeats, extra: 0 }
      writeAttemptCount(exchange.request.fields, count)
    }
    const { leftMs } = this.#deadline
    if (!this.#isGrpc || leftMs === undefined) return
    // The client's own text stays as it is while it says what holds.
    if (course.attempts > 1 || this.#isRouteShorter) writeGrpcTimeout(exchange.request, leftMs)
  }

  #next(picked: Picked, end: FinishedHead): Next {
    const seen: AttemptEnd = end.kind === 'answered' ? { kind: 'answered', head: end.response.head } : end
    const policy = this.#policy
    const { exchange } = this.#asked
    if (policy === undefined || !isRetriable(policy, exchange.request.method, seen)) return { stop: undefined }
    if (this.#repeats + this.#unsentRetries >= policy.attempts) return { stop: 'exhausted' }
    const isFree = isUnsent(seen)
    if (isFree ? this.#unsentRetries >= this.#share.unsentRetries : this.#repeats >= this.#share.repeats) {
      return { stop: 'outer-hop' }
    }
    if (this.#relay?.canReplay === false) return { stop: 'body' }
    const waitMs = waitBeforeRetryMs(
      policy,
      this.#repeats + this.#unsentRetries + 1,
      end.kind === 'answered' ? end.response.head.fields : undefined,
      this.#deadline.leftMs,
      this.#tools.clock,
    )
    if (waitMs === undefined) return { stop: 'deadline' }
    this.#retry?.end()
    this.#retry = this.#tools.ledger.begin(picked.cluster)
    if (this.#retry === undefined) return { stop: 'budget' }
    if (isFree) this.#unsentRetries++
    else this.#repeats++
    return { retry: this.#retry, waitMs }
  }

  /** Nothing of a failed attempt reaches the client. */
  #drop(picked: Picked, end: FinishedHead): void {
    this.#relay?.detach()
    if (this.#policy?.avoidsPreviousHosts === true) this.#avoid.push(picked.endpoint)
    if (end.kind !== 'answered') return
    end.response.body.discard()
    picked.done({ kind: 'answered', status: end.response.head.status })
  }

  /** Ends early when the request is interrupted. */
  #wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#tools.clock.setTimer(waitMs, resolve)
      this.#onInterrupt = () => {
        timer.cancel()
        resolve()
      }
      if (this.#interruption !== undefined) this.#onInterrupt(this.#interruption)
    })
  }

  #last(picked: Picked, end: FinishedHead, stop: RetryStop | undefined): Attempted {
    this.#asked.course.retryStop = stop
    if (end.kind === 'answered') return this.#answer(picked, end)
    this.#relay?.detach()
    const isRetry = this.#asked.course.attempts > 1
    return this.#end(end.isTooSlow ? timeoutReply('attempt', end.error) : failureReply(end.error, isRetry))
  }

  /** From here on nothing is tried again: the head goes to the client. */
  #answer(picked: Picked, { response, upstream }: Extract<HeadEnd, { kind: 'answered' }>): Attempted {
    const { course, exchange } = this.#asked
    const { status } = response.head
    course.answeredAtMs = this.#tools.clock.monotonicMs()
    this.#relay?.settle()
    if (exchange.request.upgrade !== undefined) this.#deadline.end()
    const body = new AnswerBody(response.body, (end) => {
      if (end.kind === 'failed') upstream.cancel()
      picked.done(end.kind === 'failed' ? outcomeOf(end.error) : { kind: 'answered', status })
      this.#release()
    })
    this.#onInterrupt = (error) => body.fail(error)
    return { kind: 'answered', response: { head: response.head, body }, setCookie: picked.setCookie }
  }

  #end(reply: LocalReply): LocalReply {
    this.#giveUp()
    return reply
  }

  /** No endpoint answers: nothing of the request is wanted any more. */
  #giveUp(): void {
    this.#relay?.detach()
    this.#relay?.settle()
    this.#release()
  }

  #release(): void {
    this.#deadline.end()
    this.#retry?.end()
    this.#onInterrupt = undefined
    this.#asked.cancellation.onCancelled = undefined
  }
}

function shareFor(policy: RetryPolicy | undefined, { exchange }: Asked, isGrpc: boolean): AttemptShare {
  const came = policy === undefined ? undefined : readAttemptCount(exchange.request.fields)
  if (policy === undefined) return { repeats: 0, unsentRetries: 0, handedOn: undefined }
  return shareOf(came, policy.attempts, repeatsWork(policy, isGrpc))
}

function interruptedReply(error: MeshError): LocalReply {
  return error.code === 'UPSTREAM_TIMEOUT' ? timeoutReply('request', error) : clientFaultReply(error)
}

function clientGone(): MeshError {
  return new MeshError('CLIENT_GONE', 'the client has gone')
}
