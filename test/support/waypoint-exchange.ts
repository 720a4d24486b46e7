import type { SpiffeId } from '#shared/model'
import { parseSpiffeId } from '#shared/model'
import { type Exchange, ListFields, type RequestHead } from '../../src/waypoint/codec/index.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import type { Destination } from '../../src/waypoint/state/index.ts'
import { service, socket } from './mesh-builder.ts'

export interface AskedRequest {
  readonly method?: string
  readonly scheme?: 'http' | 'https'
  readonly authority?: string
  readonly target?: string
  /** A list of values is several lines. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** `spiffe://…`; none = a plain connection. */
  readonly peer?: string
  /** `ip:port` */
  readonly source?: string
  readonly destination?: Destination
}

/** A request of `asked` to port 80 of `shop/cart`, of which only what comes before its body is there. */
export function exchangeOf(asked: AskedRequest = {}): Exchange {
  const { method = 'GET', scheme = 'http', authority = 'cart.shop', target = '/', headers = {} } = asked
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  )
  const request: RequestHead = {
    ...{ version: 'HTTP/1.1', method, scheme, authority, target },
    upgrade: undefined,
    fields: new ListFields(lines),
  }
  return {
    ...{ connection: connectionOf(asked), request, receivedAtMs: 0, onClientGone: undefined },
    ...{ requestBytes: 0, responseBytes: 0 },
    body: unused('body'),
    inform: () => unused('answer'),
    respond: () => unused('answer'),
    abort: () => {
      throw new Error('the request is aborted')
    },
  }
}

/** A connection to port 80 of `shop/cart` as `exchangeOf` makes them. */
export function connectionOf({ peer, source, destination }: AskedRequest = {}): InnerConnection {
  const cart = service({ name: 'cart', namespace: 'shop', vips: ['10.96.0.10'] })
  return {
    peer: peer === undefined ? undefined : identityOf(peer),
    source: socket(source ?? '10.0.1.7:40000'),
    destination: destination ?? { kind: 'service', service: cart, port: 80, appProtocol: 'HTTP11' },
    ...{ protocol: 'http1', channel: unused('channel'), baggage: undefined },
  }
}

function identityOf(text: string): SpiffeId {
  const id = parseSpiffeId(text)
  if (id === undefined) throw new Error(`no identity: ${text}`)
  return id
}

/** Whoever only decides about a head never touches the rest. */
function unused<T extends object>(what: string): T {
  return new Proxy({} as T, {
    get: (_, name) => {
      throw new Error(`${what}: ${String(name)} is used`)
    },
  })
}
