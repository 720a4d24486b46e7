import {
  DEFAULT_HTTP1,
  Deadlines,
  type Exchange,
  Http1Client,
  type Http1Settings,
  type ServedConnection,
  serveHttp1,
} from '../../src/waypoint/codec/index.ts'
import { FakeClock } from './fake-clock.ts'
import { innerConnection } from './http1-proxy.ts'
import { channelPair, type MemoryChannel } from './memory-channel.ts'

/** The other end of a connection, as a test speaks it. */
export class RawEnd {
  readonly channel: MemoryChannel
  hasEnded = false
  /** Nothing is reported as consumed: a peer that reads no more. */
  isDeaf = false
  #heard = ''

  constructor(channel: MemoryChannel) {
    this.channel = channel
    channel.start(this)
  }

  say(text: string): void {
    const bytes = Buffer.from(text, 'latin1')
    this.channel.write(bytes, 0, bytes.length)
  }

  /** Everything that has come since it was asked last. */
  heard(): string {
    const heard = this.#heard
    this.#heard = ''
    return heard
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#heard += Buffer.from(bytes.subarray(start, end)).toString('latin1')
    if (!this.isDeaf) this.channel.consumed(end - start)
  }

  onEnd(): void {
    this.hasEnded = true
  }

  onWritable(): void {}

  onClosed(): void {}
}

export interface Http1Ends {
  readonly clock: FakeClock
  readonly server: ServedConnection
  readonly client: RawEnd
  readonly refusals: readonly string[]
  say(text: string): void
  heard(): string
}

/** A server connection with a client that is spoken by hand. */
export function http1Ends(onExchange: (exchange: Exchange) => void, settings: Partial<Http1Settings> = {}): Http1Ends {
  const clock = new FakeClock()
  const [far, near] = channelPair()
  const client = new RawEnd(far)
  const refusals: string[] = []
  const server = serveHttp1(innerConnection(near), {
    bounds: { ...DEFAULT_HTTP1, ...settings },
    clock,
    deadlines: new Deadlines(clock),
    onExchange,
    onRefused: (_status, reason) => refusals.push(reason),
    onClosed: () => undefined,
  })
  return { clock, server, client, refusals, say: (text) => client.say(text), heard: () => client.heard() }
}

/** A client connection with an endpoint that is spoken by hand. */
export function http1Upstream(): { readonly connection: Http1Client; readonly endpoint: RawEnd } {
  const [near, far] = channelPair()
  const endpoint = new RawEnd(far)
  return { connection: new Http1Client(near, new Deadlines(new FakeClock()), DEFAULT_HTTP1), endpoint }
}

/** Until everything that is on its way in memory has arrived. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve))
}
