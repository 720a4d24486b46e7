import type { Principal } from './authn/index.ts'
import type { BodySink, Exchange, LocalReply, UpstreamResponse } from './codec/index.ts'
import type { RouteMatch } from './route/index.ts'

/** What becomes of a request at one stage: it goes on with `T`, or is answered here. */
export type Staged<T> = T | LocalReply

/** The answer of an endpoint, with what has to be changed on its way to the client. */
export interface Answered {
  readonly kind: 'answered'
  readonly response: UpstreamResponse
  /** Of a consistent hash or a session, for a client that had none. */
  readonly setCookie: string | undefined
}

/** The stages of a request, each one room's door (`app.ts` binds them). */
export interface Stages {
  /** Path and host in their one form, before anything looks at them; 400 when they have none. */
  normalise(exchange: Exchange): LocalReply | undefined
  authenticate(exchange: Exchange): Promise<Staged<Principal>> | Staged<Principal>
  authorize(exchange: Exchange, who: Principal): LocalReply | undefined
  /** Places for limits by rate come here. */
  match(exchange: Exchange, who: Principal): Staged<RouteMatch>
  /** CORS, faults, redirects, rewrites, header changes, mirrors: in the order that `filters/apply.ts` gives. */
  shape(exchange: Exchange, to: RouteMatch): Promise<Staged<Exchange>> | Staged<Exchange>
  /** Of what `shape` gives: the exchange itself, or one whose body mirrors listen to. */
  attempt(exchange: Exchange, to: RouteMatch): Promise<Staged<Answered>>
  /** Header changes of the rule, CORS and cookies on what goes to the client; `amend` for replies of our own. */
  finish(exchange: Exchange, to: RouteMatch, answered: Answered): void
  amend(exchange: Exchange, to: RouteMatch, reply: LocalReply): LocalReply
  send(exchange: Exchange, response: UpstreamResponse): BodySink
  reply(exchange: Exchange, reply: LocalReply): void
}

/**
 * The life of a request. It settles when the answer's head is on its way, or the client has gone; what each exchange
 * leaves in logs, metrics and spans is `reporting`'s, which `app.ts` puts around it.
 */
export async function serve(exchange: Exchange, stages: Stages): Promise<void> {
  let to: RouteMatch | undefined
  const answer = await decide()
  if (answer.kind === 'reply') {
    stages.reply(exchange, to === undefined ? answer : stages.amend(exchange, to, answer))
    return
  }
  if (to !== undefined) stages.finish(exchange, to, answer)
  answer.response.body.pipe(stages.send(exchange, answer.response))

  async function decide(): Promise<Staged<Answered>> {
    const odd = stages.normalise(exchange) // before anything compares a path
    if (odd !== undefined) return odd
    const who = await stages.authenticate(exchange) // before authorize: rules name principals
    if ('kind' in who) return who
    const denied = stages.authorize(exchange, who) // before match: who may not ask learns no routes
    if (denied !== undefined) return denied
    const matched = stages.match(exchange, who)
    if (matched.kind === 'reply') return matched
    to = matched
    const shaped = await stages.shape(exchange, matched) // before attempts: a fault is not tried again
    return 'kind' in shaped ? shaped : stages.attempt(shaped, matched)
  }
}
