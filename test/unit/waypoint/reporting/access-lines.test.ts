import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { ServiceTelemetry } from '#shared/l7'
import { AccessLines, type AccessLogFormat } from '../../../../src/waypoint/reporting/access-lines.ts'
import type { ExchangeFacts } from '../../../../src/waypoint/reporting/facts.ts'
import { newCourse } from '../../../../src/waypoint/resilience/index.ts'
import { facts, fakeExchange, telemetry } from './fakes.ts'

function written(
  given: ExchangeFacts,
  format: AccessLogFormat,
  by?: ServiceTelemetry,
): { readonly lines: string[]; readonly refused: string[] } {
  const [lines, refused]: [string[], string[]] = [[], []]
  const log = new AccessLines({ line: (text) => lines.push(text) }, format, (_, what) => refused.push(what))
  log.write(given, by)
  log.write(given, by)
  expect(lines.length % 2).toBe(0)
  return { lines: lines.slice(lines.length / 2), refused }
}

const REPLY = {
  kind: 'reply',
  status: 503,
  body: '',
  fields: [],
  grpcStatus: undefined,
  flag: 'UF',
  details: 'upstream_reset_before_response_started{remote_connection_failure}',
  cause: new MeshError('UPSTREAM_CONNECT_FAILED', 'connect "refused"'),
} as const

describe('access log', () => {
  it('is Istio’s default text', () => {
    expect(written(facts(), 'text').lines).toEqual([
      '[2026-01-01T00:00:00.000Z] "GET /items?id=1 HTTP/1.1" 200 - via_upstream - "-" 12 345 7 5 "-" "curl/8" "id-1" "cart" "10.0.0.2:8080" inbound-vip|80|http|cart - cart.shop.svc.cluster.local:80 10.0.0.1:4000 - -\n',
    ])
  })

  it('tells of an answer of our own, and why', () => {
    const [line] = written(facts({ reply: REPLY, status: 503, flags: 'UF,URX' }), 'text').lines
    expect(line).toContain(
      '503 UF,URX upstream_reset_before_response_started{remote_connection_failure} - "connect \\x22refused\\x22"',
    )
  })

  it('is one JSON object with Istio’s keys', () => {
    const course = { ...newCourse(), attempts: 2 }
    const [line = ''] = written(facts({ course, traceId: 'abc' }), 'json').lines
    expect(JSON.parse(line)).toMatchObject({
      method: 'GET',
      path: '/items?id=1',
      response_code: 200,
      response_flags: '-',
      upstream_host: null,
      upstream_cluster: null,
      user_agent: 'curl/8',
      x_forwarded_for: null,
      duration: 7,
      attempts: 2,
      trace_id: 'abc',
    })
  })

  it.each(['text', 'json'] as const)('as %s is one line whatever a client sends', (format) => {
    const exchange = fakeExchange({ target: '/a" 200\n', lines: [['user-agent', '\u001b[31m"},\r\n{"x":"\\']] })
    const [line = ''] = written(facts({ exchange }), format).lines
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(line).not.toContain('\u001b')
    if (format === 'json') expect(JSON.parse(line)).toMatchObject({ user_agent: '\u001b[31m"},\r\n{"x":"\\' })
    else expect(line.match(/"/g)).toHaveLength(14)
  })

  it('is off where a setting or a Telemetry says so', () => {
    expect(written(facts(), 'off').lines).toEqual([])
    const disabled = telemetry({ accessLog: { isDisabled: true, providers: [], filter: '' } })
    expect(written(facts(), 'text', disabled).lines).toEqual([])
  })

  it('has the lines of which a filter holds', () => {
    const filter = (text: string): ServiceTelemetry =>
      telemetry({ accessLog: { isDisabled: false, providers: [], filter: text } })
    expect(written(facts(), 'text', filter('response.code >= 400')).lines).toHaveLength(0)
    expect(written(facts({ status: 500 }), 'text', filter('response.code >= 400')).lines).toHaveLength(1)
  })

  it('says once which providers are not there', () => {
    const by = telemetry({ accessLog: { isDisabled: false, providers: ['envoy', 'otel'], filter: '' } })
    const { lines, refused } = written(facts(), 'text', by)
    expect([lines.length, refused]).toEqual([1, ['access log provider "otel": lines go to standard output']])
  })

  it('has every line where its filter is not understood, and says so once', () => {
    const odd = telemetry({ accessLog: { isDisabled: false, providers: [], filter: 'xds.node.id == "x"' } })
    const { lines, refused } = written(facts(), 'text', odd)
    expect(lines).toHaveLength(1)
    expect(refused).toEqual(['access log filter: attribute "xds.node.id"'])
  })
})
