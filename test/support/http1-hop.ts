import type { ByteChannel } from '#shared/net'
import {
  DEFAULT_HTTP1,
  Deadlines,
  type Exchange,
  Http1Client,
  type Http1Settings,
  ListFields,
  type ServedConnection,
  serveHttp1,
} from '../../src/waypoint/codec/index.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import { FakeClock } from './fake-clock.ts'
import { MemoryChannel } from './memory-channel.ts'

/** A server's and a client's codec back to back, nothing between: what a proxy without rules is. */
export class Http1Hop {
  readonly clock: FakeClock = new FakeClock()
  readonly client: MemoryChannel = new MemoryChannel()
  /** One connection for each request, so that they can be told apart. */
  readonly upstreams: MemoryChannel[] = []
  readonly refusals: { readonly status: number; readonly reason: string }[] = []
  readonly failures: string[] = []
  readonly #server: ServedConnection
  readonly #deadlines: Deadlines
  readonly #settings: Http1Settings

  readonly #onUpstream: (channel: MemoryChannel) => void

  /** @param onUpstream told of each new connection before its request */
  constructor(onUpstream: (channel: MemoryChannel) => void, settings: Partial<Http1Settings> = {}) {
    this.#onUpstream = onUpstream
    this.#settings = { ...DEFAULT_HTTP1, ...settings }
    this.#deadlines = new Deadlines(this.clock)
    this.#server = serveHttp1(innerConnection(this.client), {
      clock: this.clock,
      deadlines: this.#deadlines,
      bounds: this.#settings,
      onExchange: (exchange) => void this.#forward(exchange),
      onRefused: (status, reason) => this.refusals.push({ status, reason }),
      onClosed: () => {},
    })
  }

  drain(): void {
    void this.#server.drain({ mode: 'graceful', deadlineMs: 10_000 })
  }

  async #forward(exchange: Exchange): Promise<void> {
    const channel = new MemoryChannel()
    this.upstreams.push(channel)
    this.#onUpstream(channel)
    const upstream = new Http1Client(channel, this.#deadlines, this.#settings)
    const sent = upstream.send(exchange.request, exchange.body.lengthBytes)
    exchange.onClientGone = () => sent.cancel()
    sent.onInformational = (head) => exchange.inform(head)
    exchange.body.pipe(sent.body)
    try {
      const { head, body } = await sent.response
      body.pipe(exchange.respond(head, body.lengthBytes))
    } catch (error) {
      this.failures.push((error as Error).message)
      exchange.respond({ version: 'HTTP/1.1', status: 502, fields: new ListFields() }, 0).end(undefined)
    }
  }
}

/** What a codec needs to know of whom it talks with, for tests that ask nothing of it. */
export function innerConnection(channel: ByteChannel): InnerConnection {
  return {
    peer: undefined,
    source: { ip: '10.0.0.1' as InnerConnection['source']['ip'], port: 1234 },
    destination: { kind: 'workload', workload: undefined as never, port: 80 },
    protocol: 'http1',
    channel,
    baggage: undefined,
  }
}
