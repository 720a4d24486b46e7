import { describe, expect, it } from 'vitest'
import type { HttpRule } from '#shared/l7'
import { Canceller } from '#shared/lifecycle'
import type { Exchange, LocalReply, RequestHead } from '../../../../src/waypoint/codec/index.ts'
import { MOST_MIRRORS } from '../../../../src/waypoint/filters/apply.ts'
import { Filters } from '../../../../src/waypoint/filters/index.ts'
import type { RouteMatch } from '../../../../src/waypoint/route/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import {
  backend,
  exchangeOf,
  HandBody,
  httpRule,
  RecordedSink,
  type RequestText,
  requestHead,
  responseHead,
} from '../../../support/waypoint-requests.ts'

const changes = (text: { set?: [string, string][]; add?: [string, string][]; remove?: string[] }) => ({
  set: (text.set ?? []).map(([name, value]) => ({ name, value })),
  add: (text.add ?? []).map(([name, value]) => ({ name, value })),
  remove: text.remove ?? [],
})

const matchOf = (rule: HttpRule): RouteMatch => {
  const { action } = rule
  const [first] = action.kind === 'forward' ? action.backends : []
  return {
    kind: 'match',
    rule,
    name: rule.name,
    path: rule.matches[0]?.path,
    forward: action.kind === 'forward' && first !== undefined ? { action, backend: first } : undefined,
    retry: undefined,
    timeoutMs: undefined,
  }
}

const forwarding = (
  said: Partial<Extract<HttpRule['action'], { kind: 'forward' }>> = {},
): Pick<HttpRule, 'action'> => ({
  action: {
    kind: 'forward',
    backends: [backend('cart')],
    rewrite: undefined,
    authority: '',
    persistence: undefined,
    ...said,
  },
})

interface Sent {
  readonly to: unknown
  readonly head: RequestHead
  readonly lengthBytes: number | undefined
  readonly sink: RecordedSink
}

const setUp = (random = 0.5) => {
  const clock = new FakeClock()
  clock.randomValue = random
  const sent: Sent[] = []
  const filters = new Filters({
    clock,
    sendMirror: (to, head, lengthBytes) => {
      const sink = new RecordedSink()
      sent.push({ to, head, lengthBytes, sink })
      return sink
    },
  })
  const shape = (rule: Partial<HttpRule>, exchange: Exchange, canceller = new Canceller()) =>
    filters.shape(exchange, matchOf(httpRule('rule', rule)), canceller)
  return { clock, sent, filters, shape }
}

const asked = (text: RequestText = {}): Exchange => exchangeOf(requestHead(text))
const REPLY: LocalReply = {
  kind: 'reply',
  status: 503,
  body: 'x',
  fields: [['retry-after', '1']],
  grpcStatus: undefined,
  flag: 'UF',
  details: 'x',
  cause: undefined,
}

describe('a request that is forwarded', () => {
  it('gets the header changes of the rule, then those of the backend', () => {
    const exchange = asked({ headers: { 'x-set': ['1', '2'], 'x-add': '1', 'x-gone': '1', 'x-both': '0' } })
    const { shape } = setUp()
    const own = changes({ set: [['x-both', 'backend']], add: [['x-add', '3']] })
    const reply = shape(
      {
        requestHeaders: changes({
          set: [
            ['x-set', '3'],
            ['x-both', 'rule'],
          ],
          add: [['x-add', '2']],
          remove: ['x-gone'],
        }),
        ...forwarding({ backends: [{ ...backend('cart'), requestHeaders: own }] }),
      },
      exchange,
    )
    expect(reply).toBe(exchange)
    const { fields } = exchange.request
    expect(fields.values('x-set')).toEqual(['3'])
    expect(fields.values('x-add')).toEqual(['1', '2', '3'])
    expect(fields.values('x-both')).toEqual(['backend'])
    expect(fields.has('x-gone')).toBe(false)
  })

  it('keeps what the codec says of its framing, and its lines', () => {
    const exchange = asked({ headers: { 'content-length': '3' } })
    const { shape } = setUp()
    const set: [string, string][] = [
      ['transfer-encoding', 'chunked'],
      ['content-length', '9'],
      ['x', 'a\r\nb: c'],
      ['é', 'é'],
    ]
    shape({ requestHeaders: changes({ set, add: set, remove: ['content-length'] }), ...forwarding() }, exchange)
    expect(exchange.request.fields.values('content-length')).toEqual(['3'])
    expect(exchange.request.fields.has('transfer-encoding')).toBe(false)
    expect(exchange.request.fields.has('x')).toBe(false)
  })

  it('writes text as octets', () => {
    const exchange = asked()
    setUp().shape({ requestHeaders: changes({ set: [['x', 'é']] }), ...forwarding() }, exchange)
    expect(exchange.request.fields.get('x')).toBe('Ã©')
  })

  it.each([
    ['', '', 'cart.shop'],
    ['Rule.Example', '', 'rule.example'],
    ['rule.example\r\nx: y', '', 'cart.shop'],
    ['', 'a/b', 'cart.shop'],
    ['rule.example', 'backend.example', 'backend.example'],
  ])('has the authority of the rule %j, or of the backend %j: %s', (authority, own, expected) => {
    const exchange = asked()
    setUp().shape(forwarding({ authority, backends: [{ ...backend('cart'), authority: own }] }), exchange)
    expect(exchange.request.authority).toBe(expected)
  })

  it('has the path that the rule writes', () => {
    const exchange = asked({ target: '/a?q' })
    setUp().shape(forwarding({ rewrite: { kind: 'full', value: '/b' } }), exchange)
    expect(exchange.request.target).toBe('/b?q')
  })

  it('stays as it is on the default way', () => {
    const { filters } = setUp()
    const to = { ...matchOf(httpRule('')), rule: undefined }
    const exchange = asked({ headers: { origin: 'x' } })
    expect(filters.shape(exchange, to, new Canceller())).toBe(exchange)
    const response = responseHead(200)
    filters.finish(exchange, to, { response: { head: response }, setCookie: undefined })
    expect(filters.amend(exchange, to, REPLY)).toBe(REPLY)
    expect(response).toEqual(responseHead(200))
  })
})

describe('a request that is answered here', () => {
  it('gets the redirect or the answer of its rule', () => {
    const { shape } = setUp()
    const redirect = {
      kind: 'redirect',
      statusCode: 301,
      scheme: 'https',
      authority: '',
      port: undefined,
      path: undefined,
    } as const
    expect(shape({ action: redirect }, asked({ target: '/a' }))).toMatchObject({
      status: 301,
      fields: [['location', 'https://cart.shop/a']],
    })
    const body = Buffer.from('no')
    expect(shape({ action: { kind: 'respond', statusCode: 418, body } }, asked())).toMatchObject({ status: 418, body })
  })

  it('gets no rewrite of too long a path', () => {
    const rewrite = { kind: 'regex', pattern: 'x', substitution: 'y' } as const
    expect(setUp().shape(forwarding({ rewrite }), asked({ target: `/${'x'.repeat(9_000)}` }))).toMatchObject({
      status: 431,
    })
  })
})

describe('a fault', () => {
  const http = (code: number, percent = 100) => ({ percent, status: { kind: 'http', code } as const })

  it('aborts before anything else', () => {
    const redirect = {
      kind: 'redirect',
      statusCode: 301,
      scheme: '',
      authority: '',
      port: undefined,
      path: undefined,
    } as const
    expect(setUp().shape({ fault: { delay: undefined, abort: http(555) }, action: redirect }, asked())).toMatchObject({
      status: 555,
      flag: 'FI',
      details: 'fault_filter_abort',
    })
  })

  it.each([
    [14, 503],
    [5, 404],
    [16, 401],
    [0, 200],
  ])('with gRPC code %d is %d for everybody else', (code, status) => {
    const abort = { percent: 100, status: { kind: 'grpc', code } as const }
    expect(setUp().shape({ fault: { delay: undefined, abort } }, asked())).toMatchObject({ status, grpcStatus: code })
  })

  it('takes its share', () => {
    const fault = { delay: undefined, abort: http(400, 10) }
    expect(setUp(0.099).shape({ fault }, asked())).toMatchObject({ status: 400 })
    const exchange = asked()
    expect(setUp(0.1).shape({ fault }, exchange)).toBe(exchange)
  })

  it('delays, and then goes on as without', async () => {
    const { clock, filters, shape } = setUp()
    const exchange = asked({ target: '/a' })
    const fault = { delay: { percent: 100, durationMs: 5_000 }, abort: undefined }
    const shaped = Promise.resolve(
      shape({ fault, ...forwarding({ rewrite: { kind: 'full', value: '/b' } }) }, exchange),
    )
    expect(exchange.request.target).toBe('/a')
    expect(filters.isDelayed(exchange)).toBe(true)
    await clock.advance(5_000)
    expect(await shaped).toBe(exchange)
    expect(exchange.request.target).toBe('/b')
  })

  it('delays before it aborts', async () => {
    const { clock, shape } = setUp()
    const shaped = Promise.resolve(
      shape({ fault: { delay: { percent: 100, durationMs: 10 }, abort: http(500) } }, asked()),
    )
    await clock.advance(10)
    expect(await shaped).toMatchObject({ status: 500 })
  })

  it('is over when the client goes, or has gone', async () => {
    const { clock, shape } = setUp()
    const fault = { delay: { percent: 100, durationMs: 5_000 }, abort: undefined }
    const canceller = new Canceller()
    const shaped = Promise.resolve(shape({ fault }, asked(), canceller))
    canceller.cancel()
    expect(await shaped).toMatchObject({ flag: 'DC', status: 499 })
    expect(clock.pendingTimers).toBe(0)
    expect(await shape({ fault }, asked(), canceller)).toMatchObject({ flag: 'DC' })
  })
})

describe('CORS', () => {
  const cors = {
    origins: [{ kind: 'exact', value: 'https://a.example' } as const],
    methods: ['GET'],
    headers: [],
    exposeHeaders: [],
    maxAgeMs: undefined,
    allowCredentials: false,
    unmatchedPreflights: 'ignore',
  } as const

  it('answers preflights, also where there is no backend', () => {
    const exchange = asked({
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
    })
    const to = { kind: 'failed', statusCode: 500, reason: '' } as const
    expect(setUp().shape({ cors, ...forwarding({ backends: [{ ...backend('x'), to }] }) }, exchange)).toMatchObject({
      status: 200,
      details: 'cors_response',
    })
  })

  it('tells an allowed origin with every answer, also when the rule removes the header from the request', () => {
    const { filters, shape } = setUp()
    const rule = { cors, requestHeaders: changes({ remove: ['origin'] }), ...forwarding() }
    const to = matchOf(httpRule('rule', rule))
    const exchange = asked({ headers: { origin: 'https://a.example' } })
    expect(shape(rule, exchange)).toBe(exchange)
    const head = responseHead(200, { 'access-control-allow-origin': '*', vary: 'accept' })
    filters.finish(exchange, to, { response: { head }, setCookie: undefined })
    expect(head.fields.values('access-control-allow-origin')).toEqual(['https://a.example'])
    expect(head.fields.values('vary')).toEqual(['accept', 'Origin'])
    expect(filters.amend(exchange, to, REPLY).fields).toEqual([
      ['retry-after', '1'],
      ['access-control-allow-origin', 'https://a.example'],
      ['vary', 'Origin'],
    ])
  })

  it('tells others nothing', () => {
    const { filters, shape } = setUp()
    const exchange = asked({ headers: { origin: 'https://evil.example' } })
    shape({ cors, ...forwarding() }, exchange)
    expect(filters.amend(exchange, matchOf(httpRule('rule', { cors })), REPLY)).toBe(REPLY)
  })
})

describe('an answer', () => {
  it('gets the header changes of the rule, then those of the backend, and a cookie; ours too', () => {
    const { filters } = setUp()
    const own = { ...backend('cart'), responseHeaders: changes({ set: [['x', 'backend']] }) }
    const rule = {
      responseHeaders: changes({ set: [['x', 'rule']], remove: ['server', 'retry-after'] }),
      ...forwarding({ backends: [own] }),
    }
    const to = matchOf(httpRule('rule', rule))
    const head = responseHead(200, { server: 'nginx' })
    filters.finish(asked(), to, { response: { head }, setCookie: 'session=1' })
    expect([head.fields.has('server'), head.fields.get('x'), head.fields.get('set-cookie')]).toEqual([
      false,
      'backend',
      'session=1',
    ])
    expect(filters.amend(asked(), to, REPLY).fields).toEqual([['x', 'backend']])
  })
})

describe('a mirror', () => {
  const mirrors = (percent = 100) => [{ to: backend('shadow').to, percent }]

  it('gets what is sent, with the host that the request has', () => {
    const { sent, shape } = setUp()
    const exchange = asked({ target: '/a', headers: { x: '1' } })
    shape(
      {
        mirrors: mirrors(),
        requestHeaders: changes({ set: [['x', '2']] }),
        ...forwarding({ rewrite: { kind: 'full', value: '/b' } }),
      },
      exchange,
    )
    exchange.request.fields.set('x', '3')
    expect(sent).toHaveLength(1)
    const [{ to, head, sink } = unsent()] = sent
    expect(to).toEqual(backend('shadow').to)
    expect([head.target, head.authority, head.fields.get('x')]).toEqual(['/b', 'cart.shop', '2'])
    expect(sink.isEnded).toBe(true)
  })

  it('listens to the body on its way, and changes nothing else of the exchange', () => {
    const { sent, shape } = setUp()
    const body = new HandBody()
    const exchange = exchangeOf(requestHead(), body)
    const shaped = shape({ mirrors: [...mirrors(), ...mirrors()], ...forwarding() }, exchange)
    if (shaped instanceof Promise || 'kind' in shaped) throw new Error('the request is not sent at once')
    const main = new RecordedSink()
    shaped.body.pipe(main)
    body.write('hello')
    body.end()
    expect([main.text, ...sent.map(({ sink }) => sink.text)]).toEqual(['hello', 'hello', 'hello'])
    const gone = () => {}
    shaped.onClientGone = gone
    expect(exchange.onClientGone).toBe(gone)
    expect([shaped.request, shaped.connection]).toEqual([exchange.request, exchange.connection])
  })

  it.each([
    [0.249, 1],
    [0.25, 0],
  ])('gets its share: at %d of 25 %% it gets %d', (random, count) => {
    const { sent, shape } = setUp(random)
    shape({ mirrors: mirrors(25), ...forwarding() }, asked())
    expect(sent).toHaveLength(count)
  })

  it('gets nothing of what is not sent, or is an upgrade', () => {
    const { sent, shape } = setUp()
    const to = { kind: 'failed', statusCode: 500, reason: '' } as const
    shape({ mirrors: mirrors(), ...forwarding({ backends: [{ ...backend('x'), to }] }) }, asked())
    shape({ mirrors: mirrors(), action: { kind: 'respond', statusCode: 200, body: new Uint8Array() } }, asked())
    shape({ mirrors: mirrors(), ...forwarding() }, exchangeOf({ ...requestHead(), upgrade: 'websocket' }))
    expect(sent).toEqual([])
  })

  it('gets no more than so many at once', () => {
    const { sent, shape } = setUp()
    const bodies = Array.from({ length: MOST_MIRRORS + 1 }, () => new HandBody())
    for (const body of bodies) shape({ mirrors: mirrors(), ...forwarding() }, exchangeOf(requestHead(), body))
    expect(sent).toHaveLength(MOST_MIRRORS)
    sent[0]?.sink.onUnwanted?.()
    shape({ mirrors: mirrors(), ...forwarding() }, exchangeOf(requestHead(), new HandBody()))
    expect(sent).toHaveLength(MOST_MIRRORS + 1)
  })
})

const unsent = (): never => {
  throw new Error('nothing was sent')
}
