import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Metrics } from '#shared/telemetry'
import { Tracer } from '../../../../src/waypoint/reporting/tracer.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'
import { facts, telemetry } from './fakes.ts'

describe('a sampled exchange', () => {
  it('reaches the back end as a span with Istio’s tags and those of a Telemetry', async () => {
    const bodies: string[] = []
    const server = createServer((request, response) => {
      request.setEncoding('utf8').on('data', (text) => bodies.push(text))
      request.on('end', () => response.end())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // of a TCP server
    const url = new URL(`http://127.0.0.1:${port}/api/v2/spans`)
    const refused: string[] = []
    const environment = { REGION: 'north' }
    const tracer = new Tracer(
      { kind: 'zipkin', url, samplingPercent: 100, service: 'waypoint.shop' },
      {
        clock: new FakeClock(),
        logger: quietLogger,
        metrics: new Metrics(),
        environment,
        refuse: (_, what) => refused.push(what),
      },
    )
    const tag = (name: string, kind: 'header' | 'environment', of: string, missing = '') =>
      ({ name, value: { kind, name: of, missing } }) as const
    const tags = [
      { name: 'team', value: { kind: 'literal', value: 'carts' } } as const,
      tag('agent', 'header', 'User-Agent'),
      tag('region', 'environment', 'REGION'),
      tag('zone', 'environment', 'ZONE', 'none'),
      tag('user', 'header', 'x-user'),
    ]
    const by = telemetry({ tracing: { isDisabled: false, providers: ['jaeger'], samplingPercent: undefined, tags } })
    const given = facts()
    const context = tracer.begin(given.exchange.request.fields, by)
    if (context === undefined) throw new Error('not traced')
    tracer.begin(given.exchange.request.fields, by)
    expect(refused).toEqual(['tracing provider "jaeger": spans go where the settings say'])
    tracer.end(given, context, by)
    tracer.end(given, { ...context, isSampled: false }, by)
    await tracer.flush()
    server.close().closeAllConnections()
    const [span, ...others] = JSON.parse(bodies.join(''))
    expect(others).toEqual([])
    expect(span).toMatchObject({
      traceId: context.traceId,
      id: context.spanId,
      name: 'cart.shop.svc.cluster.local:80/*',
    })
    expect(span.tags).toMatchObject({
      'http.url': 'http://cart/items',
      'http.status_code': '200',
      'istio.source_workload': 'web-1',
      'istio.destination_workload': 'cart-1',
      team: 'carts',
      agent: 'curl/8',
      region: 'north',
      zone: 'none',
    })
    expect(span.tags).not.toHaveProperty('user')
  })
})
