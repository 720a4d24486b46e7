import { MeshError } from '#shared/errors'
import type { ByteChannel, ByteReceiver } from '#shared/net'
import {
  DEFAULT_HTTP1,
  Deadlines,
  type Exchange,
  Http1Client,
  ListFields,
  serveHttp1,
} from '../../src/waypoint/codec/index.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import { FakeClock } from './fake-clock.ts'
import { StrictPeer } from './http1-strict-peer.ts'
import { channelPair, type MemoryChannel } from './memory-channel.ts'

/** A connection as the codec gets it; only its channel is looked at. */
export function innerConnection(channel: ByteChannel): InnerConnection {
  const inner: Pick<InnerConnection, 'peer' | 'protocol' | 'channel' | 'baggage'> = {
    peer: undefined,
    protocol: 'http1',
    channel,
    baggage: undefined,
  }
  // The codec hands it on and looks at nothing else of it.
  return inner as InnerConnection
}

/** What went through a server connection and a client connection that are put together to the smallest proxy. */
export interface Passed {
  /** At the back end, read by a reader that takes one form only. */
  readonly requests: StrictPeer['requests']
  /** What that reader could not take. */
  readonly faults: readonly string[]
  /** Each connection's bytes. */
  readonly forwarded: readonly string[]
  /** At the client. */
  readonly answer: string
  readonly isClientClosed: boolean
  readonly refusals: readonly string[]
}

/** @param pieces what the client sends, one delivery each; then it ends. @param answer of the back end, then it ends too */
export async function pass(pieces: readonly Buffer[], answer?: readonly Buffer[]): Promise<Passed> {
  const clock = new FakeClock()
  const deadlines = new Deadlines(clock)
  const [client, front] = channelPair()
  const got: Buffer[] = []
  const refusals: string[] = []
  const peers: StrictPeer[] = []
  const backs: MemoryChannel[] = []
  let upstream: Http1Client | undefined
  const connect = (): Http1Client => {
    const [near, far] = channelPair()
    backs.push(near)
    peers.push(new StrictPeer(far, answer))
    return new Http1Client(near, deadlines, DEFAULT_HTTP1)
  }
  serveHttp1(innerConnection(front), {
    bounds: DEFAULT_HTTP1,
    clock,
    deadlines,
    onExchange: (exchange) => {
      if (upstream === undefined || upstream.capacity === 0) upstream = connect()
      forward(exchange, upstream)
    },
    onRefused: (_status, reason) => refusals.push(reason),
    onClosed: () => undefined,
  })
  const receiver: ByteReceiver = {
    onBytes: (bytes, start, end) => {
      got.push(Buffer.from(bytes.subarray(start, end)))
      client.consumed(end - start)
    },
    onEnd: () => undefined,
    onWritable: () => undefined,
    onClosed: () => undefined,
  }
  client.start(receiver)
  for (const piece of pieces) {
    client.write(piece, 0, piece.length)
    await turn()
  }
  client.end()
  for (let turns = 0; turns < TURNS; turns++) await turn()
  return {
    requests: peers.flatMap((peer) => peer.requests),
    faults: peers.flatMap((peer) => peer.faults),
    forwarded: backs.map((back) => Buffer.concat(back.written).toString('latin1')),
    answer: Buffer.concat(got).toString('latin1'),
    isClientClosed: client.isClosed,
    refusals,
  }
}

/** Until everything that is on its way in memory has arrived. */
const TURNS = 6

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The least that a proxy does between its two ends. */
export function forward(exchange: Exchange, upstream: Http1Client): void {
  const attempt = upstream.send(exchange.request, exchange.body.lengthBytes)
  attempt.onInformational = (head) => exchange.inform(head)
  exchange.onClientGone = () => attempt.cancel()
  exchange.body.pipe(attempt.body)
  attempt.response.then(
    (response) => response.body.pipe(exchange.respond(response.head, response.body.lengthBytes)),
    (thrown: unknown) => {
      if (!(thrown instanceof MeshError)) throw thrown
      exchange.body.discard()
      exchange.respond({ version: 'HTTP/1.1', status: 502, fields: new ListFields() }, 0).end(undefined)
    },
  )
}
