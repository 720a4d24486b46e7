import { MeshError, reasonOf } from '#shared/errors'
import { type Cancellation, Canceller } from '#shared/lifecycle'
import type { Authenticator, Principal } from './authn/index.ts'
import { type Authorizer, normalise, type PathNormalization } from './authz/index.ts'
import {
  type BodySink,
  type Exchange,
  ExchangeWithBody,
  type LocalReply,
  sendReply,
  type UpstreamResponse,
} from './codec/index.ts'
import type { Filters } from './filters/index.ts'
import { type Answered, type Staged, type Stages, serve } from './pipeline.ts'
import type { ExchangeReport, Reporter } from './reporting/index.ts'
import type { Attempts } from './resilience/index.ts'
import type { RouteMatch, Router } from './route/index.ts'

/** What requests go through, made once. */
export interface ExchangeParts {
  readonly pathNormalization: PathNormalization
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly router: Router
  readonly filters: Filters
  readonly attempts: Attempts
  readonly reporter: Reporter
  /** An error of ours: the exchange is cut, and the process goes on. */
  readonly onBug: (error: unknown) => void
}

/** Takes a request through all stages; never throws. */
export function serveExchange(given: Exchange, parts: ExchangeParts): void {
  const report = parts.reporter.begin(given)
  const body = report.requestBody(given.body)
  const exchange = body === given.body ? given : new ExchangeWithBody(given, body)
  const gone = new Canceller()
  given.onClientGone = () => {
    report.clientGone()
    gone.cancel()
  }
  serve(exchange, new ExchangeStages(parts, report, gone)).catch((error: unknown) => {
    parts.onBug(error)
    given.abort(cutBy(error))
  })
}

/** The stages of one exchange, with the books that they write into and the wish of its client to stop. */
class ExchangeStages implements Stages {
  readonly #parts: ExchangeParts
  readonly #report: ExchangeReport
  readonly #gone: Cancellation

  constructor(parts: ExchangeParts, report: ExchangeReport, gone: Cancellation) {
    this.#parts = parts
    this.#report = report
    this.#gone = gone
  }

  normalise({ request }: Exchange): LocalReply | undefined {
    return normalise(request, this.#parts.pathNormalization)
  }

  authenticate(exchange: Exchange): Promise<Staged<Principal>> | Staged<Principal> {
    return this.#parts.authenticator.authenticate(exchange)
  }

  authorize(exchange: Exchange, who: Principal): LocalReply | undefined {
    return this.#parts.authorizer.authorize(exchange, who)
  }

  match(exchange: Exchange, who: Principal): Staged<RouteMatch> {
    const matched = this.#parts.router.match(exchange, who)
    if (matched.kind === 'match') this.#report.route = matched
    return matched
  }

  shape(exchange: Exchange, to: RouteMatch): Promise<Staged<Exchange>> | Staged<Exchange> {
    return this.#parts.filters.shape(exchange, to, this.#gone)
  }

  attempt(exchange: Exchange, to: RouteMatch): Promise<Staged<Answered>> {
    const { dialled } = exchange.connection
    return this.#parts.attempts.run({ exchange, to, dialled, cancellation: this.#gone, course: this.#report.course })
  }

  finish(exchange: Exchange, to: RouteMatch, answered: Answered): void {
    this.#parts.filters.finish(exchange, to, answered)
  }

  amend(exchange: Exchange, to: RouteMatch, reply: LocalReply): LocalReply {
    return this.#parts.filters.amend(exchange, to, reply)
  }

  send(exchange: Exchange, { head, body }: UpstreamResponse): BodySink {
    return this.#report.answer(head, exchange.respond(head, body.lengthBytes))
  }

  reply(exchange: Exchange, reply: LocalReply): void {
    sendReply(exchange, reply)
    this.#report.replied(reply)
  }
}

function cutBy(error: unknown): MeshError {
  return error instanceof MeshError ? error : new MeshError('UPSTREAM_RESET', reasonOf(error), { cause: error })
}
