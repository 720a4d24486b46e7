import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import {
  type BodySink,
  type Exchange,
  type Fields,
  type HttpClientConnection,
  ListFields,
  type RequestHead,
  type ResponseHead,
  type UpstreamExchange,
} from '../../../../../src/waypoint/codec/index.ts'
import { http1Ends, http1Upstream, settle } from '../../../../support/http1-ends.ts'
import { forward } from '../../../../support/http1-proxy.ts'

const noFields = (): Fields => new ListFields()
const ok = (status = 200): ResponseHead => ({ version: 'HTTP/1.1', status, fields: noFields() })
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

function request(method = 'GET', upgrade?: string): RequestHead {
  return { version: 'HTTP/1.1', method, scheme: 'http', authority: 'a', target: '/', upgrade, fields: noFields() }
}

/** Sends a request, with its end when it has no body. */
function ask(connection: HttpClientConnection, head: RequestHead = request(), lengthBytes = 0): UpstreamExchange {
  const attempt = connection.send(head, lengthBytes)
  if (lengthBytes === 0) attempt.body.end(undefined)
  return attempt
}

/** A sink that writes down what comes; it takes no more while it is full. */
class Scribe implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  text = ''
  outcome = 'open'
  isFull = false

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.text += Buffer.from(bytes.subarray(start, end)).toString('latin1')
    return !this.isFull
  }

  end(trailers: Fields | undefined): void {
    const names: string[] = []
    trailers?.forEach((name) => void names.push(name))
    this.outcome = ['end', ...names].join(' ')
  }

  abort(error: MeshError): void {
    this.outcome = error.code
  }
}

function write(sink: BodySink, text: string): boolean {
  const bytes = Buffer.from(text)
  return sink.write(bytes, 0, bytes.length)
}

describe('a server connection', () => {
  it('sends a head and its body', async () => {
    const ends = http1Ends((exchange) => {
      const sink = exchange.respond(ok(), 2)
      write(sink, 'ok')
      sink.end(undefined)
    })
    ends.say(GET)
    await settle()
    expect(ends.heard()).toBe(OK)
  })

  it('answers requests in the order in which they came, one at a time', async () => {
    const open: Exchange[] = []
    const ends = http1Ends((exchange) => open.push(exchange))
    ends.say(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n`)
    await settle()
    expect(open.map(({ request: { target } }) => target)).toEqual(['/1'])
    open[0]?.respond(ok(204), 0).end(undefined)
    await settle()
    expect(open.map(({ request: { target } }) => target)).toEqual(['/1', '/2'])
    expect(open[0]?.request.target).toBe('/1')
    expect(ends.heard()).toBe('HTTP/1.1 204 No Content\r\n\r\n')
  })

  it('reads a body only as its sink takes it', async () => {
    const scribe = new Scribe()
    scribe.isFull = true
    const ends = http1Ends((exchange) => exchange.body.pipe(scribe))
    ends.say('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n')
    for (let i = 0; i < 30; i++) ends.say('x'.repeat(10_000))
    await settle()
    expect(scribe.text).toHaveLength(10_000)
    expect(ends.client.channel.isCongested).toBe(true)
    scribe.isFull = false
    scribe.onDrain?.()
    await settle()
    expect([scribe.text.length, scribe.outcome]).toEqual([300_000, 'end'])
    expect(ends.client.channel.isCongested).toBe(false)
  })

  it('tells the sink to wait while its client does not read, and to go on', async () => {
    let sink: BodySink | undefined
    let drains = 0
    const ends = http1Ends((exchange) => {
      sink = exchange.respond(ok(), undefined)
      sink.onDrain = () => drains++
    })
    ends.client.isDeaf = true
    ends.say(GET)
    await settle()
    const answers = [write(sink as BodySink, 'x'.repeat(40_000)), write(sink as BodySink, 'x'.repeat(40_000))]
    await settle()
    expect([answers, drains]).toEqual([[true, false], 0])
    ends.client.channel.consumed(80_000)
    await settle()
    expect(drains).toBe(1)
  })

  it('passes trailers that may be there, both ways', async () => {
    const scribe = new Scribe()
    const ends = http1Ends((exchange) => {
      exchange.body.pipe(scribe)
      const trailers = noFields()
      trailers.add('x-sum', '1')
      trailers.add('set-cookie', 'a')
      trailers.add('content-length', '3')
      setImmediate(() => exchange.respond(ok(), undefined).end(trailers))
    })
    ends.say(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: 1\r\nHost: b\r\nCookie: c\r\n\r\n',
    )
    await settle()
    expect(scribe.outcome).toBe('end x-a')
    expect(ends.heard()).toContain('\r\n0\r\nx-sum: 1\r\n\r\n')
  })

  it.each([
    ['closes behind an answer of unknown length', '', undefined, 'connection: close\r\n\r\n', true],
    ['closes when it was not asked to stay', '', 0, 'connection: close', true],
    ['stays when it was asked to', 'Connection: keep-alive\r\n', 0, 'connection: keep-alive', false],
  ] as const)('HTTP/1.0: %s', async (_shows, lines, lengthBytes, said, isEnded) => {
    const ends = http1Ends((exchange) => exchange.respond(ok(), lengthBytes).end(undefined))
    ends.say(`GET / HTTP/1.0\r\n${lines}\r\n`)
    await settle()
    const heard = ends.heard()
    expect(heard).toContain(said)
    expect(heard).not.toContain('chunked')
    expect(ends.client.hasEnded).toBe(isEnded)
  })

  it('does not let an answer that breaks off look complete', async () => {
    const ends = http1Ends((exchange) => {
      const sink = exchange.respond(ok(), undefined)
      write(sink, 'abc')
      sink.abort(new MeshError('UPSTREAM_RESET', 'gone'))
    })
    ends.say(GET)
    await settle()
    expect(ends.heard()).not.toContain('0\r\n\r\n')
    expect([ends.client.hasEnded, ends.client.channel.isClosed]).toEqual([false, true])
  })

  it.each([
    ['more', 'abc'],
    ['less', 'a'],
  ])('cuts an answer with %s than its length says', async (_what, body) => {
    const ends = http1Ends((exchange) => {
      const sink = exchange.respond(ok(), 2)
      write(sink, body)
      sink.end(undefined)
    })
    ends.say(GET)
    await settle()
    expect([ends.client.hasEnded, ends.client.channel.isClosed]).toEqual([false, true])
  })

  it('closes behind an answer that came before the end of its request, and says so', async () => {
    const scribe = new Scribe()
    const ends = http1Ends((exchange) => {
      exchange.body.pipe(scribe)
      exchange.respond(ok(413), 0).end(undefined)
    })
    ends.say('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc')
    await settle()
    expect(ends.heard()).toBe('HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    expect(ends.client.hasEnded).toBe(true)
    // What is on its way still is read, so that it does not cost the client the answer.
    ends.say('more')
    await settle()
    expect(ends.client.channel.isClosed).toBe(false)
  })

  it('tells once that its client has gone, and loses the body', async () => {
    const scribe = new Scribe()
    let gone = 0
    const ends = http1Ends((exchange) => {
      exchange.onClientGone = () => gone++
      exchange.body.pipe(scribe)
    })
    ends.say('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc')
    await settle()
    ends.client.channel.destroy()
    await settle()
    expect([gone, scribe.outcome]).toEqual([1, 'CLIENT_GONE'])
  })

  it('answers a client that has ended behind its request', async () => {
    const ends = http1Ends((exchange) => setImmediate(() => exchange.respond(ok(204), 0).end(undefined)))
    ends.say(GET)
    ends.client.channel.end()
    await settle()
    expect(ends.heard()).toContain('204')
    await settle()
    expect(ends.client.channel.isClosed).toBe(true)
  })

  it('passes interim answers to HTTP/1.1, and keeps them from HTTP/1.0', async () => {
    const ends = http1Ends((exchange) => {
      exchange.inform(ok(103))
      exchange.respond(ok(204), 0).end(undefined)
    })
    ends.say(GET)
    await settle()
    expect(ends.heard()).toBe('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n')
    ends.say('GET / HTTP/1.0\r\n\r\n')
    await settle()
    expect(ends.heard()).not.toContain('103')
  })

  it('ends behind its current request when it drains', async () => {
    let open: Exchange | undefined
    const ends = http1Ends((exchange) => {
      open = exchange
    })
    ends.say(GET)
    await settle()
    void ends.server.drain({ mode: 'graceful', deadlineMs: 30_000 })
    open?.respond(ok(), 0).end(undefined)
    await settle()
    expect(ends.heard()).toContain('connection: close')
    expect(ends.client.hasEnded).toBe(true)
  })

  it.each([
    ['answers a request that was on its way', true],
    ['ends when none comes', false],
  ])('%s while it drains idle', async (_shows, isAsked) => {
    const ends = http1Ends((exchange) => exchange.respond(ok(), 0).end(undefined))
    void ends.server.drain({ mode: 'graceful', deadlineMs: 30_000 })
    await settle()
    expect(ends.client.hasEnded).toBe(false)
    if (isAsked) ends.say(GET)
    else await ends.clock.advance(6_000)
    await settle()
    expect(ends.heard()).toBe(isAsked ? 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n' : '')
    expect(ends.client.hasEnded).toBe(true)
  })

  it.each([
    ['a head that does not come', 'GET / HTTP/1.1\r\n', 60_000, '408'],
    ['a body that does not come', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n', 300_000, '408'],
    ['no request', '', 3_600_000, ''],
  ])('waits in bounds for %s', async (_what, said, timeoutMs, status) => {
    const ends = http1Ends((exchange) => exchange.body.pipe(new Scribe()))
    if (said !== '') ends.say(said)
    await settle()
    await ends.clock.advance(timeoutMs - 2_000)
    expect(ends.client.channel.isClosed || ends.client.hasEnded).toBe(false)
    await ends.clock.advance(4_000)
    await settle()
    expect(ends.heard().slice(9, 12)).toBe(status)
    await ends.clock.advance(4_000)
    await settle()
    expect(ends.client.channel.isClosed).toBe(true)
  })
})

describe('a client that sends its head octet by octet', () => {
  it('gets no more time for it', async () => {
    const ends = http1Ends(() => undefined)
    ends.say('GET / HTTP/1.1\r\n')
    await settle()
    for (let seconds = 0; seconds < 61; seconds += 10) {
      ends.say('x')
      await settle()
      await ends.clock.advance(10_000)
    }
    await settle()
    expect(ends.heard()).toContain('HTTP/1.1 408')
    expect(ends.refusals).toHaveLength(1)
  })
})

describe('a client connection', () => {
  it('is used again behind an answer, and says when', async () => {
    const { connection, endpoint } = http1Upstream()
    let changes = 0
    connection.onChanged = () => changes++
    const scribe = new Scribe()
    const attempt = ask(connection)
    expect([connection.capacity, connection.activeCount]).toEqual([0, 1])
    await settle()
    expect(endpoint.heard()).toBe('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    endpoint.say(OK)
    const response = await attempt.response
    response.body.pipe(scribe)
    await settle()
    expect([scribe.text, scribe.outcome, connection.capacity, changes]).toEqual(['ok', 'end', 1, 1])
  })

  it.each([
    ['bytes behind an answer', `${OK}x`],
    ['an answer that is the last', OK.replace('\r\n', '\r\nConnection: close\r\n')],
    ['an answer of HTTP/1.0', OK.replace('1.1', '1.0')],
  ])('is not used again after %s', async (_what, answer) => {
    const { connection, endpoint } = http1Upstream()
    const scribe = new Scribe()
    const attempt = ask(connection)
    endpoint.say(answer)
    ;(await attempt.response).body.pipe(scribe)
    await settle()
    expect([scribe.text, scribe.outcome, connection.isClosed, connection.capacity]).toEqual(['ok', 'end', true, 0])
  })

  it('goes when a byte comes that nobody asked for', async () => {
    const { connection, endpoint } = http1Upstream()
    endpoint.say(OK)
    await settle()
    expect(connection.isClosed).toBe(true)
  })

  it.each([
    ['a new connection', false, 0, '', 'UPSTREAM_RESET'],
    ['a used one', true, 0, '', 'UPSTREAM_RESET_BEFORE_REQUEST'],
    ['a used one, with a body of which nothing was sent', true, 5, '', 'UPSTREAM_RESET_BEFORE_REQUEST'],
    ['a used one, with a body that had begun', true, 5, 'ab', 'UPSTREAM_RESET'],
    ['a used one, within an answer', true, 0, 'answer', 'UPSTREAM_RESET'],
  ] as const)('says what may be tried again when it is lost: %s', async (_what, isUsed, lengthBytes, said, code) => {
    const { connection, endpoint } = http1Upstream()
    if (isUsed) {
      const first = ask(connection)
      endpoint.say('HTTP/1.1 204 No Content\r\n\r\n')
      await first.response
      await settle()
    }
    const attempt = ask(connection, request('PUT'), lengthBytes)
    if (said === 'ab') write(attempt.body, said)
    if (said === 'answer') endpoint.say('HTTP/1.1 2')
    await settle()
    endpoint.channel.destroy()
    await expect(attempt.response).rejects.toMatchObject({ code })
  })

  it('calls an answer that is none UPSTREAM_PROTOCOL', async () => {
    const { connection, endpoint } = http1Upstream()
    const attempt = ask(connection)
    endpoint.say('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n')
    await expect(attempt.response).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' })
    expect(connection.isClosed).toBe(true)
  })

  it('does not take a reset for the end of a body that only the end ends', async () => {
    const { connection, endpoint } = http1Upstream()
    const scribe = new Scribe()
    const attempt = ask(connection)
    endpoint.say('HTTP/1.1 200 OK\r\n\r\nabc')
    ;(await attempt.response).body.pipe(scribe)
    await settle()
    endpoint.channel.destroy()
    await settle()
    expect([scribe.text, scribe.outcome]).toEqual(['abc', 'UPSTREAM_RESET'])
  })

  it('costs the connection to cancel', async () => {
    const { connection, endpoint } = http1Upstream()
    const attempt = ask(connection)
    attempt.cancel()
    await expect(attempt.response).rejects.toMatchObject({ code: 'CLIENT_GONE' })
    await settle()
    expect(endpoint.channel.isClosed).toBe(true)
  })

  it('does not throw away more of an answer than the connection is worth', async () => {
    const { connection, endpoint } = http1Upstream()
    const small = ask(connection)
    endpoint.say(OK)
    ;(await small.response).body.discard()
    await settle()
    expect(connection.capacity).toBe(1)
    const large = ask(connection)
    endpoint.say('HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n')
    ;(await large.response).body.discard()
    await settle()
    expect(connection.isClosed).toBe(true)
  })

  it('retires behind its request', async () => {
    const { connection, endpoint } = http1Upstream()
    const attempt = ask(connection)
    connection.retire()
    endpoint.say('HTTP/1.1 204 No Content\r\n\r\n')
    await attempt.response
    await settle()
    expect(connection.isClosed).toBe(true)
  })
})

describe('both ends together', () => {
  it('pass an upgrade and then raw bytes both ways, with half-closes', async () => {
    const { connection, endpoint } = http1Upstream()
    const ends = http1Ends((exchange) => forward(exchange, connection))
    ends.say(
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\nearly',
    )
    await settle()
    expect(endpoint.heard()).toBe(
      'GET /ws HTTP/1.1\r\nhost: a\r\nSec-WebSocket-Key: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    )
    endpoint.say('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello')
    await settle()
    expect(ends.heard()).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello',
    )
    expect(endpoint.heard()).toBe('early')
    ends.client.channel.end()
    await settle()
    expect(endpoint.hasEnded).toBe(true)
    endpoint.say('bye')
    endpoint.channel.end()
    await settle()
    expect(ends.heard()).toBe('bye')
    expect([ends.client.channel.isClosed, connection.isClosed]).toEqual([true, true])
  })

  it('go on with HTTP when an upgrade is not granted', async () => {
    const { connection, endpoint } = http1Upstream()
    const ends = http1Ends((exchange) => forward(exchange, connection))
    ends.say(`GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
    await settle()
    endpoint.heard()
    endpoint.say(OK)
    await settle()
    expect(ends.heard()).toBe(OK)
    ends.say(GET)
    await settle()
    expect(endpoint.heard()).toBe('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  })

  it('leave it to the endpoint whether a client shall go on with its body', async () => {
    const { connection, endpoint } = http1Upstream()
    const ends = http1Ends((exchange) => forward(exchange, connection))
    ends.say('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n')
    await settle()
    expect(endpoint.heard()).toContain('Expect: 100-continue')
    expect(ends.heard()).toBe('')
    endpoint.say('HTTP/1.1 100 Continue\r\n\r\n')
    await settle()
    expect(ends.heard()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    ends.say('abc')
    endpoint.say(OK)
    await settle()
    expect(endpoint.heard()).toBe('abc')
  })

  it('cancel at the endpoint when the client goes', async () => {
    const { connection, endpoint } = http1Upstream()
    const ends = http1Ends((exchange) => forward(exchange, connection))
    ends.say(GET)
    await settle()
    ends.client.channel.destroy()
    await settle()
    expect(endpoint.channel.isClosed).toBe(true)
  })
})
