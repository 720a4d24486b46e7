import type { ServiceTelemetry } from '#shared/l7'
import type { Service, Workload } from '#shared/model'
import type { Endpoint, Picked } from '../../../../src/waypoint/balance/index.ts'
import type { Exchange, RequestHead } from '../../../../src/waypoint/codec/index.ts'
import type { ConnectionFacts, ExchangeFacts } from '../../../../src/waypoint/reporting/facts.ts'
import { newCourse } from '../../../../src/waypoint/resilience/index.ts'
import { identity, service, socket, workload } from '../../../support/mesh-builder.ts'
import { BACKEND, FakeBalancer, FedBody, ListFields } from '../resilience/fakes.ts'

export const client: Workload = workload({
  name: 'web-1',
  namespace: 'shop',
  serviceAccount: 'web',
  canonicalRevision: 'v1',
})
export const server: Workload = workload({ name: 'cart-1', namespace: 'shop', serviceAccount: 'cart' })
export const cart: Service = service({ name: 'cart', namespace: 'shop' })

export interface FakeRequest {
  readonly method?: string
  readonly target?: string
  readonly lines?: readonly (readonly [string, string])[]
  readonly body?: FedBody
}

export function fakeExchange(of: FakeRequest = {}): Exchange {
  const { method = 'GET', target = '/items?id=1', lines = [], body = new FedBody(0) } = of
  const request: RequestHead = {
    version: 'HTTP/1.1',
    method,
    scheme: 'http',
    authority: 'cart',
    target,
    upgrade: undefined,
    fields: new ListFields(lines),
  }
  const connection = {
    peer: identity('shop/web'),
    source: socket('10.0.0.1:4000'),
    destination: { kind: 'service', service: cart, port: 80, appProtocol: undefined },
    protocol: 'http1',
    baggage: undefined,
  }
  // Reporting reads nothing else of an exchange.
  return {
    request,
    connection,
    body,
    receivedAtMs: 1_700_000_000_000,
    requestBytes: 12,
    responseBytes: 345,
  } as unknown as Exchange
}

export function fakePick(): Picked {
  const endpoint: Endpoint = {
    workload: server,
    address: { kind: 'address', ...socket('10.0.0.2:8080') },
    activeRequests: 0,
  }
  const { cluster } = new FakeBalancer()
  return { cluster: { ...cluster, backend: BACKEND }, endpoint, setCookie: undefined, done: () => {} }
}

export function facts(changes: Partial<ExchangeFacts> = {}): ExchangeFacts {
  return {
    exchange: fakeExchange({
      lines: [
        ['user-agent', 'curl/8'],
        ['x-request-id', 'id-1'],
      ],
    }),
    source: client,
    service: cart,
    route: undefined,
    course: { ...newCourse(), attempts: 1, picked: fakePick() },
    status: 200,
    grpcStatus: undefined,
    isGrpc: false,
    requestMessages: 0,
    responseMessages: 0,
    flags: '-',
    reply: undefined,
    startedMs: Date.UTC(2026, 0, 1),
    durationMs: 7.4,
    upstreamMs: 5,
    traceId: undefined,
    ...changes,
  }
}

export function connectionFacts(): ConnectionFacts {
  return {
    source: client,
    sourceAddress: socket('10.0.0.1:4000'),
    principal: identity('shop/web'),
    service: cart,
    port: 6379,
    picked: fakePick(),
    openedAtMs: 1_700_000_000_000,
  }
}

export function telemetry(changes: Partial<ServiceTelemetry> = {}): ServiceTelemetry {
  return {
    namespace: 'shop',
    hostname: 'cart.shop.svc.cluster.local',
    accessLog: { isDisabled: false, providers: [], filter: '' },
    tracing: { isDisabled: false, providers: [], samplingPercent: undefined, tags: [] },
    metrics: [],
    ...changes,
  }
}
