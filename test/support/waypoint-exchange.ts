import type { SpiffeId } from '#shared/model'
import { parseSpiffeId } from '#shared/model'
import type { Exchange, Fields, RequestHead } from '../../src/waypoint/codec/index.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import type { Destination } from '../../src/waypoint/state/index.ts'
import { service, socket } from './mesh-builder.ts'

/** Field lines in a plain list. */
class FieldList implements Fields {
  #lines: (readonly [name: string, value: string])[]

  constructor(lines: readonly (readonly [name: string, value: string])[]) {
    this.#lines = [...lines]
  }

  get(name: string): string | undefined {
    return this.#lines.find(([each]) => each === name)?.[1]
  }

  values(name: string): readonly string[] {
    return this.#lines.flatMap(([each, value]) => (each === name ? [value] : []))
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.add(name, value)
  }

  add(name: string, value: string): void {
    this.#lines.push([name, value])
  }

  remove(name: string): void {
    this.#lines = this.#lines.filter(([each]) => each !== name)
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#lines) visit(name, value)
  }

  copy(): FieldList {
    return new FieldList(this.#lines)
  }
}

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
    fields: new FieldList(lines),
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
