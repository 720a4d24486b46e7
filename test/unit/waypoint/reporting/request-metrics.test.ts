import { describe, expect, it } from 'vitest'
import type { MetricOverride, ServiceTelemetry } from '#shared/l7'
import { Metrics } from '#shared/telemetry'
import type { ExchangeFacts } from '../../../../src/waypoint/reporting/facts.ts'
import { type MetricsProfile, RequestMetrics } from '../../../../src/waypoint/reporting/request-metrics.ts'
import { facts, fakeExchange, telemetry } from './fakes.ts'

function pageOf(
  all: readonly ExchangeFacts[],
  by?: ServiceTelemetry,
  profile: MetricsProfile = 'full',
): { readonly lines: readonly string[]; readonly refused: readonly string[] } {
  const metrics = new Metrics()
  const refused: string[] = []
  const requests = new RequestMetrics(metrics, profile, (_, what) => refused.push(what))
  for (const each of all) requests.record(each, by)
  return { lines: metrics.print().split('\n'), refused }
}

function override(changes: Partial<MetricOverride>): ServiceTelemetry {
  const all: MetricOverride = { provider: '', metric: '', mode: 'both', isDisabled: undefined, tags: [], ...changes }
  return telemetry({ metrics: [all] })
}

const count = (lines: readonly string[]) => lines.filter((line) => line.startsWith('istio_requests_total'))

describe('request metrics', () => {
  it('have Istio’s names, labels and buckets', () => {
    const { lines } = pageOf([facts(), facts()])
    expect(count(lines)).toEqual([
      'istio_requests_total{reporter="waypoint",source_workload="web-1",source_canonical_service="web-1",source_canonical_revision="v1",source_workload_namespace="shop",source_principal="spiffe://cluster.local/ns/shop/sa/web",source_app="web-1",source_version="v1",source_cluster="Kubernetes",destination_service="cart.shop.svc.cluster.local",destination_service_namespace="shop",destination_service_name="cart",destination_workload="cart-1",destination_canonical_service="cart-1",destination_canonical_revision="latest",destination_workload_namespace="shop",destination_principal="spiffe://cluster.local/ns/shop/sa/cart",destination_app="cart-1",destination_version="latest",destination_cluster="Kubernetes",request_protocol="http",response_code="200",grpc_response_status="",response_flags="-",connection_security_policy="mutual_tls"} 2',
    ])
    const duration = lines.filter((line) => line.startsWith('istio_request_duration_milliseconds_bucket'))
    expect(duration.map((line) => [/le="([^"]+)"/.exec(line)?.[1], line.split(' ').at(-1)]).slice(2, 4)).toEqual([
      ['5.0', '0'],
      ['10.0', '2'],
    ])
    expect(lines.find((line) => line.startsWith('istio_response_bytes_sum'))).toMatch(/ 690\.0$/)
    expect(lines.some((line) => line.startsWith('istio_request_messages_total'))).toBe(false)
  })

  it('tell outcomes apart', () => {
    const given = [
      facts(),
      facts({ status: 503, flags: 'UF,URX' }),
      facts({ status: 503 }),
      facts({ status: 0, flags: 'DC' }),
    ]
    const seen = count(pageOf(given).lines).map((line) =>
      /response_code="(\d+)".*response_flags="([^"]+)"/.exec(line)?.slice(1),
    )
    expect(seen).toEqual([
      ['200', '-'],
      ['503', 'UF,URX'],
      ['503', '-'],
      ['0', 'DC'],
    ])
  })

  it('count messages of gRPC', () => {
    const { lines } = pageOf([facts({ isGrpc: true, grpcStatus: 14, requestMessages: 3, responseMessages: 1 })])
    expect(lines.find((line) => line.startsWith('istio_request_messages_total'))).toMatch(
      /grpc_response_status="14".* 3$/,
    )
    expect(lines.find((line) => line.startsWith('istio_response_messages_total'))).toMatch(
      /request_protocol="grpc".* 1$/,
    )
  })

  it('have fewer than ten labels when they are lean', () => {
    const [line = ''] = count(pageOf([facts()], undefined, 'lean').lines)
    expect(line.match(/="/g)).toHaveLength(9)
  })

  it('drop, replace and add tags as a Telemetry says', () => {
    const by = override({
      metric: 'REQUEST_COUNT',
      tags: [
        { name: 'source_principal', expression: '' },
        { name: 'request_method', expression: 'request.method' },
        { name: 'user', expression: "has(request.headers['x-user']) ? request.headers['x-user'] : 'nobody'" },
      ],
    })
    const { lines } = pageOf([facts(), facts({ exchange: fakeExchange({ lines: [['x-user', 'eve"\n']] }) })], by)
    expect(count(lines).map((line) => /request_method="GET",user="(.*)"}/.exec(line)?.[1])).toEqual([
      'nobody',
      'eve\\"\\n',
    ])
    expect(count(lines).join()).not.toContain('source_principal')
    expect(lines.find((line) => line.startsWith('istio_request_bytes_sum'))).toContain('source_principal')
  })

  it.each([
    [{ metric: 'REQUEST_COUNT', isDisabled: true }, 0],
    [{ metric: 'istio_requests_total', isDisabled: true }, 0],
    [{ isDisabled: true }, 0],
    [{ isDisabled: true, mode: 'server' }, 0],
    [{ isDisabled: true, mode: 'client' }, 1],
    [{ isDisabled: true, provider: 'stackdriver' }, 1],
    [{ metric: 'REQUEST_SIZE', isDisabled: true }, 1],
  ] as const)('are off where %j says so', (changes, series) => {
    expect(count(pageOf([facts()], override(changes)).lines)).toHaveLength(series)
  })

  it('refuse what they do not know, by name and once', () => {
    const by = override({
      tags: [
        { name: 'a', expression: 'node.metadata' },
        { name: 'not a name', expression: '1' },
      ],
    })
    expect(pageOf([facts(), facts()], by).refused).toEqual([
      'tag a: attribute "node.metadata"',
      'tag "not a name" is no name of a label',
    ])
    expect(pageOf([facts()], override({ metric: 'X' })).refused).toEqual(['metric "X" is none of a waypoint’s'])
  })

  it('stay bounded when a client makes up values of tags', () => {
    const metrics = new Metrics()
    const requests = new RequestMetrics(metrics, 'lean', () => {})
    const by = override({ metric: 'REQUEST_COUNT', tags: [{ name: 'user', expression: "request.headers['x-user']" }] })
    for (let i = 0; i < 21_000; i++) {
      requests.record(facts({ exchange: fakeExchange({ lines: [['x-user', `u${i}`]] }) }), by)
    }
    expect(count(metrics.print().split('\n')).length).toBeLessThanOrEqual(20_001)
  })
})
