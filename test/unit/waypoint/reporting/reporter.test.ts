import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { ServiceTelemetry } from '#shared/l7'
import { Metrics } from '#shared/telemetry'
import type { Exchange } from '../../../../src/waypoint/codec/index.ts'
import { Reporter, type ReporterOptions } from '../../../../src/waypoint/reporting/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'
import { FedBody, ListFields, responseHead, SeenBody } from '../resilience/fakes.ts'
import { client, connectionFacts, fakeExchange, fakePick, telemetry } from './fakes.ts'

class Rig {
  readonly clock: FakeClock = new FakeClock(1_700_000_000_000)
  readonly lines: string[] = []
  readonly metrics: Metrics = new Metrics()
  readonly reporter: Reporter

  constructor(options: Partial<ReporterOptions> = {}, by?: ServiceTelemetry) {
    this.reporter = new Reporter({
      clock: this.clock,
      metrics: this.metrics,
      profile: 'lean',
      logger: quietLogger,
      accessLog: { output: { line: (text) => this.lines.push(text) }, format: 'json' },
      tracing: { kind: 'off' },
      environment: {},
      telemetryOf: () => by,
      sourceOf: () => client,
      ...options,
    })
  }

  get records(): readonly Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line))
  }
}

const TRACING = {
  kind: 'otlp',
  url: new URL('http://127.0.0.1:9/v1/traces'),
  samplingPercent: 50,
  service: 'waypoint.shop',
} as const
const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

describe('an exchange', () => {
  it('is told of once, at the end of its answer', async () => {
    const rig = new Rig()
    const report = rig.reporter.begin(fakeExchange())
    report.course.attempts = 1
    report.course.picked = fakePick()
    report.course.sentAtMs = rig.clock.monotonicMs()
    await rig.clock.advance(5)
    report.course.answeredAtMs = rig.clock.monotonicMs()
    const seen = new SeenBody()
    const sink = report.answer(responseHead(200), seen)
    sink.write(Buffer.from('hello'), 0, 5)
    await rig.clock.advance(2)
    expect(rig.lines).toEqual([])
    sink.end(undefined)
    report.clientGone()
    expect(seen.text).toBe('hello')
    expect(rig.records).toMatchObject([
      { response_code: 200, duration: 7, upstream_service_time: '5', upstream_host: '10.0.0.2:8080' },
    ])
    expect(rig.metrics.print()).toMatch(/istio_requests_total\{.*response_code="200".*\} 1/)
  })

  it('gets an id, unless it has one', () => {
    const rig = new Rig()
    const [without, having] = [fakeExchange(), fakeExchange({ lines: [['x-request-id', 'mine']] })]
    rig.reporter.begin(without)
    rig.reporter.begin(having)
    expect(without.request.fields.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(having.request.fields.get('x-request-id')).toBe('mine')
  })

  it.each([
    [
      'our own answer',
      (report: Report) => report.replied(REPLY),
      { response_code: 503, response_flags: 'UH', response_code_details: 'no_healthy_upstream' },
    ],
    [
      'a client that goes before the head',
      (report: Report) => report.clientGone(),
      { response_code: 0, response_flags: 'DC' },
    ],
    [
      'a client that goes behind it',
      (report: Report) => {
        report.answer(responseHead(200), new SeenBody())
        report.clientGone()
      },
      { response_code: 200, response_flags: 'DC' },
    ],
    [
      'an endpoint that breaks off',
      (report: Report) => report.answer(responseHead(200), new SeenBody()).abort(new MeshError('UPSTREAM_RESET', 'x')),
      { response_code: 200, response_flags: 'UC' },
    ],
    [
      'the last of all attempts',
      (report: Report) => {
        report.course.retryStop = 'exhausted'
        report.answer(responseHead(503), new SeenBody()).end(undefined)
      },
      { response_code: 503, response_flags: 'URX' },
    ],
    [
      'a retry that the budget refused',
      (report: Report) => {
        report.course.retryStop = 'budget'
        report.replied({ ...REPLY, flag: 'UC' })
      },
      { response_flags: 'UC,UO' },
    ],
  ] as const)('ends with %s', (_what, end, expected) => {
    const rig = new Rig()
    end(rig.reporter.begin(fakeExchange()))
    expect(rig.records).toMatchObject([expected])
  })

  it('does not blame a client that gets no body', () => {
    const rig = new Rig()
    const seen = new SeenBody()
    rig.reporter.begin(fakeExchange({ method: 'HEAD' })).answer(responseHead(200), seen)
    seen.onUnwanted?.()
    expect(rig.records).toMatchObject([{ response_flags: '-' }])
  })

  it('of gRPC has its messages counted, and its status from the trailers', () => {
    const rig = new Rig({ profile: 'full' })
    const body = new FedBody(undefined)
    const exchange = fakeExchange({ method: 'POST', lines: [['content-type', 'application/grpc']], body })
    const report = rig.reporter.begin(exchange)
    exchange.body.pipe(new SeenBody())
    const message = '\0\0\0\0\u0002hi'
    body.feed(message + message)
    const sink = report.answer(responseHead(200), new SeenBody())
    sink.write(Buffer.from(message, 'latin1'), 0, message.length)
    sink.end(new ListFields([['grpc-status', '5']]))
    const page = rig.metrics.print()
    expect(page).toMatch(/istio_request_messages_total\{.*grpc_response_status="5".*\} 2/)
    expect(page).toMatch(/istio_response_messages_total\{.*\} 1/)
  })
})

describe('our own answer to gRPC', () => {
  it('is trailers of a 200', () => {
    const rig = new Rig({ profile: 'full' })
    rig.reporter.begin(fakeExchange({ lines: [['content-type', 'application/grpc+proto']] })).replied(REPLY)
    expect(rig.metrics.print()).toMatch(/response_code="200",grpc_response_status="14",response_flags="UH"/)
  })
})

type Report = ReturnType<Reporter['begin']>

const REPLY = {
  kind: 'reply',
  status: 503,
  body: '',
  fields: [],
  grpcStatus: undefined,
  flag: 'UH',
  details: 'no_healthy_upstream',
  cause: undefined,
} as const

describe('a connection that is not HTTP', () => {
  it('is told of once, at its end', async () => {
    const rig = new Rig()
    const meter = { sentBytes: 0, receivedBytes: 0 }
    const closed = rig.reporter.connectionOpened(connectionFacts(), meter)
    meter.sentBytes = 3
    await rig.clock.advance(20)
    closed('-')
    closed('UF')
    expect(rig.records).toMatchObject([
      { response_code: 0, response_flags: '-', bytes_received: 3, bytes_sent: 0, duration: 20 },
    ])
    expect(rig.metrics.print()).toMatch(/istio_tcp_connections_closed_total\{.*response_flags="-".*\} 1/)
  })

  it('has Istio’s text', () => {
    const lines: string[] = []
    const output = { line: (text: string) => lines.push(text) }
    const rig = new Rig({ accessLog: { output, format: 'text' } })
    rig.reporter.connectionOpened(connectionFacts(), { sentBytes: 1, receivedBytes: 2 })('UC')
    expect(lines).toEqual([
      '[2023-11-14T22:13:20.000Z] "- - -" 0 UC - - "-" 1 2 0 - "-" "-" "-" "-" "10.0.0.2:8080" inbound-vip|80|tcp|cart - cart.shop.svc.cluster.local:6379 10.0.0.1:4000 - -\n',
    ])
  })
})

describe('traces', () => {
  const traced = (rig: Rig, lines: readonly (readonly [string, string])[]): Exchange => {
    const exchange = fakeExchange({ lines })
    rig.reporter.begin(exchange).replied(REPLY)
    return exchange
  }

  it('go through as they came when nothing is exported', () => {
    const exchange = traced(new Rig(), [['traceparent', TRACEPARENT]])
    expect(exchange.request.fields.get('traceparent')).toBe(TRACEPARENT)
  })

  it('get our span between, with the decision of the client', () => {
    const rig = new Rig({ tracing: TRACING })
    rig.clock.randomValue = 0.9
    const fields = traced(rig, [
      ['traceparent', TRACEPARENT],
      ['tracestate', 'a=1'],
    ]).request.fields
    expect(fields.get('traceparent')).toMatch(new RegExp(`^00-${'a'.repeat(32)}-(?!b{16})[0-9a-f]{16}-01$`))
    expect(fields.get('tracestate')).toBe('a=1')
  })

  it.each([
    [0.4, undefined, '01'],
    [0.6, undefined, '00'],
    [0.6, 100, '01'],
    [0.4, 0, '00'],
  ])('begin here by the percentage: random %d, Telemetry %s', (random, samplingPercent, flags) => {
    const by = telemetry({ tracing: { isDisabled: false, providers: [], samplingPercent, tags: [] } })
    const rig = new Rig({ tracing: TRACING }, by)
    rig.clock.randomValue = random
    const fields = traced(rig, [['tracestate', 'of=nothing']]).request.fields
    expect(fields.get('traceparent')?.slice(-2)).toBe(flags)
    expect(fields.has('tracestate')).toBe(false)
  })

  it('are left alone where a Telemetry says so', () => {
    const by = telemetry({ tracing: { isDisabled: true, providers: [], samplingPercent: 100, tags: [] } })
    expect(traced(new Rig({ tracing: TRACING }, by), []).request.fields.has('traceparent')).toBe(false)
  })
})
