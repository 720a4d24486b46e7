import type { Clock } from '#shared/clock'
import type { HttpRule, Mirror } from '#shared/l7'
import type { Cancellation } from '#shared/lifecycle'
import { type Exchange, ExchangeWithBody, type Fields, type LocalReply, type UpstreamResponse } from '../codec/index.ts'
import { type RouteMatch, type RouteTarget, TOO_LONG_TO_MATCH } from '../route/index.ts'
import { ruleAuthority } from './authority.ts'
import { corsLines, judgeCors } from './cors.ts'
import { abortReply, delay, drawFault, isDrawn } from './fault.ts'
import { changeFields, changesNothing } from './headers.ts'
import { copyOfHead, MirrorCopy, MirroredBody, type SendMirror } from './mirror.ts'

import { redirectReply } from './redirect.ts'
import { ReplyFields } from './reply-fields.ts'
import { rewriteTarget } from './rewrite.ts'

export interface FilterTools {
  readonly clock: Clock
  readonly sendMirror: SendMirror
}

/** So many copies may be under way at once; what comes beyond is not copied. */
export const MOST_MIRRORS = 1_024

/** An endpoint's answer, and a cookie for a client that had none. */
export interface AnsweredBy {
  readonly response: Pick<UpstreamResponse, 'head'>
  readonly setCookie: string | undefined
}

/** What was noted of a request for its answer; only of those of which there is something. */
interface Notes {
  /** An origin that CORS allows. */
  origin?: string
  isDelayed?: true
}

/**
 * What a rule asks for before a request is sent and before its answer goes to the client. The order is Envoy's: fault, then
 * CORS, both behind authorization (istio-control-plane c.3); then what the router does itself: redirects and direct answers,
 * or header changes (of the rule, then of the backend), authority, path, and at last the copies, which are of what is sent.
 */
export class Filters {
  readonly #tools: FilterTools
  readonly #random: () => number
  readonly #notes = new WeakMap<Exchange, Notes>()
  #mirrors = 0

  constructor(tools: FilterTools) {
    this.#tools = tools
    this.#random = () => tools.clock.random()
  }

  /**
   * @param cancellation comes true when the client has gone
   * @returns a reply, or the exchange that is to be sent: the same, or one whose body mirrors listen to
   */
  shape(
    exchange: Exchange,
    to: RouteMatch,
    cancellation: Cancellation,
  ): Promise<Exchange | LocalReply> | Exchange | LocalReply {
    const { rule } = to
    if (rule === undefined) return exchange
    if (rule.fault === undefined) return this.#route(exchange, to, rule)
    const { delayMs, abort } = drawFault(rule.fault, this.#random)
    const rest = (): Exchange | LocalReply =>
      abort === undefined ? this.#route(exchange, to, rule) : abortReply(abort)
    if (delayMs === 0) return rest()
    this.#note(exchange).isDelayed = true
    return delay(this.#tools.clock, delayMs, cancellation).then((gone) => gone ?? rest())
  }

  /** Changes the head of an endpoint's answer. */
  finish(exchange: Exchange, to: RouteMatch, { response, setCookie }: AnsweredBy): void {
    const { fields } = response.head
    this.#change(exchange, to, fields)
    if (setCookie !== undefined) fields.add('set-cookie', setCookie)
  }

  /** As `finish`, for an answer of our own. */
  amend(exchange: Exchange, to: RouteMatch, reply: LocalReply): LocalReply {
    const { rule, forward } = to
    if (rule === undefined) return reply
    const isUnchanged =
      this.#notes.get(exchange)?.origin === undefined &&
      changesNothing(rule.responseHeaders) &&
      (forward === undefined || changesNothing(forward.backend.responseHeaders))
    if (isUnchanged) return reply
    const fields = new ReplyFields(reply.fields)
    this.#change(exchange, to, fields)
    return { ...reply, fields: fields.lines }
  }

  /** For logs: a delay was injected. */
  isDelayed(exchange: Exchange): boolean {
    return this.#notes.get(exchange)?.isDelayed === true
  }

  #change(exchange: Exchange, to: RouteMatch, fields: Fields): void {
    const { rule, forward } = to
    if (rule === undefined) return
    const origin = this.#notes.get(exchange)?.origin
    if (rule.cors !== undefined && origin !== undefined) {
      for (const [name, value] of corsLines(rule.cors, origin)) fields.set(name, value)
      fields.add('vary', 'Origin')
    }
    changeFields(fields, rule.responseHeaders)
    if (forward !== undefined) changeFields(fields, forward.backend.responseHeaders)
  }

  #route(exchange: Exchange, to: RouteMatch, rule: HttpRule): Exchange | LocalReply {
    const { request } = exchange
    if (rule.cors !== undefined) {
      const verdict = judgeCors(rule.cors, request)
      if (verdict.kind === 'preflight') return verdict.reply
      if (verdict.kind === 'allowed') this.#note(exchange).origin = verdict.origin
    }
    const { action } = rule
    if (action.kind === 'redirect') return redirectReply(action, request, to.path)
    if (action.kind === 'respond') return directReply(action.statusCode, action.body)
    return to.forward === undefined ? exchange : this.#forward(exchange, to, rule, to.forward)
  }

  #forward(exchange: Exchange, to: RouteMatch, rule: HttpRule, target: RouteTarget): Exchange | LocalReply {
    const { request } = exchange
    const { action, backend } = target
    changeFields(request.fields, rule.requestHeaders)
    changeFields(request.fields, backend.requestHeaders)
    const authority = ruleAuthority(backend.authority || action.authority)
    if (authority !== undefined) request.authority = authority
    if (action.rewrite !== undefined) {
      const rewritten = rewriteTarget(request.target, to.path, action.rewrite)
      if (rewritten === undefined) return TOO_LONG_TO_MATCH
      request.target = rewritten
    }
    return rule.mirrors.length === 0 || backend.to.kind === 'failed' ? exchange : this.#mirror(exchange, rule.mirrors)
  }

  /** Of what upgrades there is no copy: nobody would answer the other side's bytes. */
  #mirror(exchange: Exchange, mirrors: readonly Mirror[]): Exchange {
    const { request, body } = exchange
    if (request.upgrade !== undefined) return exchange
    const copies: MirrorCopy[] = []
    for (const { to, percent } of mirrors) {
      if (!isDrawn(percent, this.#random) || this.#mirrors >= MOST_MIRRORS) continue
      this.#mirrors++
      const sink = this.#tools.sendMirror(to, copyOfHead(request), body.lengthBytes)
      copies.push(new MirrorCopy(sink, () => void this.#mirrors--))
    }
    if (copies.length === 0) return exchange
    if (body.lengthBytes !== 0) return new ExchangeWithBody(exchange, new MirroredBody(body, copies))
    for (const copy of copies) copy.end(undefined)
    return exchange
  }

  #note(exchange: Exchange): Notes {
    let notes = this.#notes.get(exchange)
    if (notes === undefined) {
      notes = {}
      this.#notes.set(exchange, notes)
    }
    return notes
  }
}

function directReply(status: number, body: Uint8Array): LocalReply {
  return {
    kind: 'reply',
    status,
    body,
    fields: [],
    grpcStatus: undefined,
    flag: '',
    details: 'direct_response',
    cause: undefined,
  }
}
