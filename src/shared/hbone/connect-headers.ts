import type { HeaderField, HeaderList } from '#shared/http2'
import type { SocketAddress } from '#shared/net'
import { type BaggageSource, formatBaggage } from './baggage.ts'
import { formatForwarded } from './forwarded.ts'
import { formatTraceparent, type Traceparent } from './traceparent.ts'

/** What a CONNECT tells about the connection that it carries. */
export interface ConnectFacts {
  /** The workload that opened the connection. */
  readonly workload: BaggageSource
  /** The application's own address and port. */
  readonly source: SocketAddress
  /** The service that it asked for, when it is one. */
  readonly serviceHostname: string | undefined
  readonly traceparent: Traceparent
}

/** The headers of a CONNECT behind `:authority`, in order (hbone-and-ztunnel d.3). */
export function connectHeaders(facts: ConnectFacts): HeaderList {
  return [
    ['baggage', formatBaggage(facts.workload)],
    ['forwarded', formatForwarded(facts.source, facts.serviceHostname)],
    ['traceparent', formatTraceparent(facts.traceparent)],
  ]
}

/** Of the answer 200: who the destination is. */
export function answerHeaders(destination: BaggageSource): HeaderList {
  return [['baggage', formatBaggage(destination)]]
}

/** Every value of a header, in order. */
export function headerValues(headers: HeaderList, name: string): string[] {
  return headers.filter((field: HeaderField) => field[0] === name).map((field) => field[1])
}

/** The first value of a header; undefined when absent. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  return headers.find((field: HeaderField) => field[0] === name)?.[1]
}
