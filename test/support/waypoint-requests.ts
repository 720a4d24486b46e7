import type { MeshError } from '#shared/errors'
import type { HttpMatch, HttpRule, WeightedBackend } from '#shared/l7'
import { parseSpiffeId } from '#shared/model'
import {
  type BodySink,
  type BodySource,
  type Exchange,
  type Fields,
  ListFields,
  type RequestHead,
  type ResponseHead,
} from '../../src/waypoint/codec/index.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import type { Destination } from '../../src/waypoint/state/index.ts'
import { service, socket } from './mesh-builder.ts'

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

function fieldsOf(headers: NonNullable<RequestText['headers']>): ListFields {
  return new ListFields(
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

/** A body that a test writes by hand, once somebody takes it. */
export class HandBody implements BodySource {
  readonly lengthBytes: number | undefined
  isDiscarded = false
  isUnwanted = false
  drains = 0
  #sink: BodySink | undefined

  constructor(lengthBytes?: number) {
    this.lengthBytes = lengthBytes
  }

  pipe(sink: BodySink): void {
    this.#sink = sink
    sink.onDrain = () => void this.drains++
    sink.onUnwanted = () => {
      this.isUnwanted = true
    }
  }

  discard(): void {
    this.isDiscarded = true
  }

  write(text: string): boolean {
    const bytes = Buffer.from(`<${text}>`)
    return this.#taken.write(bytes, 1, bytes.length - 1)
  }

  end(trailers?: Fields): void {
    this.#taken.end(trailers)
  }

  abort(error: MeshError): void {
    this.#taken.abort(error)
  }

  get #taken(): BodySink {
    if (this.#sink === undefined) throw new Error('nobody takes the body')
    return this.#sink
  }
}

/** Where a body goes, as a test reads it. */
export class RecordedSink implements BodySink {
  text = ''
  isEnded = false
  trailers: Fields | undefined
  error: MeshError | undefined
  takesMore = true
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.text += Buffer.from(bytes.subarray(start, end)).toString()
    return this.takesMore
  }

  end(trailers: Fields | undefined): void {
    this.isEnded = true
    this.trailers = trailers
  }

  abort(error: MeshError): void {
    this.error = error
  }
}

/** One request to that connection; its answer is nobody's yet. */
export function exchangeOf(
  request: RequestHead,
  body: BodySource = new HandBody(0),
  connection: InnerConnection = innerConnection(),
): Exchange {
  return {
    connection,
    request,
    body,
    receivedAtMs: 0,
    inform: unexpected,
    respond: unexpected,
    abort: unexpected,
    onClientGone: undefined,
    requestBytes: 0,
    responseBytes: 0,
  }
}

function unexpected(): never {
  throw new Error('the exchange is answered')
}
