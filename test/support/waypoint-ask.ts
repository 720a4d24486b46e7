import type { Backend, Routes } from '#shared/l7'
import { Canceller } from '#shared/lifecycle'
import type { Service } from '#shared/model'
import type { VerifiedToken } from '../../src/waypoint/authn/index.ts'
import { normalise } from '../../src/waypoint/authz/index.ts'
import type { Exchange, LocalReply, RequestHead, ResponseHead } from '../../src/waypoint/codec/index.ts'
import { Filters } from '../../src/waypoint/filters/index.ts'
import { type Answered, type Staged, serve } from '../../src/waypoint/pipeline.ts'
import { type RouteMatch, Router } from '../../src/waypoint/route/index.ts'
import { FakeClock, settle } from './fake-clock.ts'
import { identity, meshOf, service } from './mesh-builder.ts'
import type { Told } from './waypoint-configuration.ts'
import { exchangeOf, HandBody, innerConnection, RecordedSink, requestHead, responseHead } from './waypoint-requests.ts'
import type { Ask } from './waypoint-rows.ts'

/** What became of one request. */
export interface Outcome {
  /** As it was sent; undefined when it was answered here. */
  readonly sent: { readonly to: string; readonly head: RequestHead } | undefined
  readonly match: RouteMatch | undefined
  readonly mirrors: readonly string[]
  readonly delayMs: number
  readonly answer: ResponseHead
  /** What `answer` is the head of, when we answered ourselves. */
  readonly reply: LocalReply | undefined
}

/**
 * A request through the stages of a waypoint, with what the control plane told of these objects. The endpoint is a hand that
 * answers 200.
 *
 * @param random for every choice of this request, in [0, 1)
 */
export async function ask(told: Told, asked: Ask, random: number): Promise<Outcome> {
  const [name = '', namespace = 'mesh'] = (asked.to ?? 'echo').split('.')
  const dialled = service({ name, namespace })
  const port = asked.port ?? 80
  const peer = asked.peer === undefined ? undefined : identity(asked.peer)
  const connection = innerConnection({
    destination: { kind: 'service', service: dialled, port, appProtocol: 'HTTP11' },
    ...(peer !== undefined && { peer }),
  })
  const head = requestHead({
    method: asked.method ?? 'GET',
    target: asked.path ?? '/',
    authority: asked.host ?? `${name}.${namespace}`,
    headers: asked.headers ?? {},
  })
  const exchange = exchangeOf(head, new HandBody(0), connection)
  const clock = new FakeClock()
  clock.randomValue = random
  const mirrors: string[] = []
  const filters = new Filters({
    clock,
    sendMirror: (to) => {
      mirrors.push(nameOf(to))
      return new RecordedSink()
    },
  })
  const router = new Router(
    { mesh: meshOf([]), network: '', labelsOf: () => ({}), routes: (of, at) => routesOf(told, of, at) },
    () => random,
  )
  let match: RouteMatch | undefined
  let sent: Outcome['sent']
  let answer: ResponseHead | undefined
  let own: LocalReply | undefined
  const startMs = clock.nowMs()
  let endMs = startMs
  const served = serve(exchange, {
    normalise: () => normalise(head, 'BASE'),
    authenticate: () => ({ peer, token: asked.claims && { ...NOBODY, claims: asked.claims } }),
    authorize: () => undefined,
    match: (each, who) => {
      const found = router.match(each, who)
      if (found.kind === 'match') match = found
      return found
    },
    shape: (each, to) => filters.shape(each, to, new Canceller()),
    attempt: async (each, to) => {
      const outcome = endpoint(each, to, asked.answered ?? {})
      if (outcome.kind === 'answered') sent = { to: nameOf(backendOf(to)), head: each.request }
      return outcome
    },
    finish: (each, to, answered) => filters.finish(each, to, answered),
    amend: (each, to, reply) => filters.amend(each, to, reply),
    send: (_, { head: written }) => {
      answer = written
      endMs = clock.nowMs()
      return new RecordedSink()
    },
    reply: (_, reply) => {
      answer = headOf(reply)
      own = reply
      endMs = clock.nowMs()
    },
  })
  await settle()
  await clock.advance(LONGEST_DELAY_MS)
  await served
  if (answer === undefined) throw new Error('the request got no answer')
  return { sent, match, mirrors, delayMs: endMs - startMs, answer, reply: own }
}

const LONGEST_DELAY_MS = 60_000

const NOBODY: VerifiedToken = {
  principal: '',
  issuer: '',
  subject: '',
  audiences: [],
  presenter: undefined,
  claims: {},
  spacedClaims: [],
}

/** A share for a backend that cannot be used is answered as attempts would answer it. */
function endpoint({ request }: Exchange, to: RouteMatch, headers: Readonly<Record<string, string>>): Staged<Answered> {
  const backend = backendOf(to)
  if (backend.kind === 'failed')
    return {
      kind: 'reply',
      status: backend.statusCode,
      body: '',
      fields: [],
      grpcStatus: undefined,
      flag: '',
      details: request.target,
      cause: undefined,
    }
  return {
    kind: 'answered',
    response: { head: responseHead(200, headers), body: new HandBody(0) },
    setCookie: undefined,
  }
}

function backendOf({ forward }: RouteMatch): Backend {
  const to = forward?.backend.to
  if (to === undefined || to.kind === 'workload') throw new Error('the request goes to no service')
  return to
}

function routesOf(told: Told, { namespace, hostname }: Service, port: number): Routes | undefined {
  return told.routes[`mesh/gate/${namespace}/${hostname}/${port}`]
}

/** `name[.namespace][:port][/subset]`, as rows write it. */
function nameOf(to: Backend): string {
  if (to.kind === 'failed') return `${to.statusCode}`
  const [name] = to.hostname.split('.')
  return `${name}${to.namespace === 'mesh' ? '' : `.${to.namespace}`}${to.port === 80 ? '' : `:${to.port}`}${to.subset === '' ? '' : `/${to.subset}`}`
}

function headOf({ status, fields }: LocalReply): ResponseHead {
  const head = responseHead(status)
  for (const [name, value] of fields) head.fields.add(name, value)
  return head
}
