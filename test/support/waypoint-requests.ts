import type { HttpMatch, HttpRule, WeightedBackend } from '#shared/l7'
import { parseSpiffeId } from '#shared/model'
import type { Fields, RequestHead, ResponseHead } from '../../src/waypoint/codec/index.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import type { Destination } from '../../src/waypoint/state/index.ts'
import { service, socket } from './mesh-builder.ts'

/** Field lines in a plain list. */
export class ListedFields implements Fields {
  #lines: (readonly [name: string, value: string])[]

  constructor(lines: Iterable<readonly [name: string, value: string]> = []) {
    this.#lines = [...lines]
  }

  get(name: string): string | undefined {
    return this.#lines.find(([each]) => each === name)?.[1]
  }

  values(name: string): readonly string[] {
    return this.#lines.flatMap(([each, value]) => (each === name ? [value] : []))
  }

  has(name: string): boolean {
    return this.#lines.some(([each]) => each === name)
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

  copy(): ListedFields {
    return new ListedFields(this.#lines)
  }
}

export interface RequestText {
  readonly method?: string
  readonly scheme?: 'http' | 'https'
  readonly authority?: string
  readonly target?: string
  /** A list of values is several lines. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

export function requestHead({ method, scheme, authority, target, headers = {} }: RequestText = {}): RequestHead {
  return {
    version: 'HTTP/1.1',
    method: method ?? 'GET',
    scheme: scheme ?? 'http',
    authority: authority ?? 'cart.shop',
    target: target ?? '/',
    upgrade: undefined,
    fields: fieldsOf(headers),
  }
}

export function responseHead(status: number, headers: RequestText['headers'] = {}): ResponseHead {
  return { version: 'HTTP/1.1', status, fields: fieldsOf(headers) }
}

function fieldsOf(headers: NonNullable<RequestText['headers']>): ListedFields {
  return new ListedFields(
    Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const)),
  )
}

/** To port 80 of `shop/cart`, from `source` with the identity of `account`. */
export function innerConnection(
  asked: { readonly destination?: Destination; readonly source?: string; readonly peer?: string } = {},
): InnerConnection {
  const cart = service({ name: 'cart', namespace: 'shop' })
  return {
    peer: asked.peer === undefined ? undefined : parseSpiffeId(asked.peer),
    source: socket(asked.source ?? '10.0.0.1:40000'),
    destination: asked.destination ?? { kind: 'service', service: cart, port: 80, appProtocol: 'HTTP11' },
    protocol: 'http1',
    channel: UNUSED,
    baggage: undefined,
  }
}

/** Whoever only decides about a request never touches its bytes. */
const UNUSED = new Proxy({} as InnerConnection['channel'], {
  get: (_, name) => {
    throw new Error(`the channel's ${String(name)} is used`)
  },
})

const NO_CHANGES = { set: [], add: [], remove: [] } as const

export function httpMatch(match: Partial<HttpMatch> = {}): HttpMatch {
  return {
    name: '',
    path: undefined,
    ignorePathCase: false,
    scheme: undefined,
    method: undefined,
    authority: undefined,
    headers: [],
    withoutHeaders: [],
    query: [],
    claims: [],
    source: undefined,
    ...match,
  }
}

export function backend(name: string, weight: number = 1): WeightedBackend {
  return {
    to: { kind: 'cluster', namespace: 'shop', hostname: `${name}.shop`, port: 80, subset: '' },
    weight,
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    authority: '',
  }
}

/** One that forwards to the backend of its own name, unless it says otherwise. */
export function httpRule(name: string, rule: Partial<HttpRule> = {}): HttpRule {
  return {
    origin: name,
    name,
    matches: [],
    action: { kind: 'forward', backends: [backend(name)], rewrite: undefined, authority: '', persistence: undefined },
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    cors: undefined,
    fault: undefined,
    mirrors: [],
    timeoutMs: undefined,
    retry: undefined,
    ...rule,
  }
}
