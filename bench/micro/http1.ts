// node --conditions=source bench/micro/http1.ts
import type { ByteChannel } from '../../src/shared/net/index.ts'
import { type BodyFraming, MessageReader } from '../../src/waypoint/codec/http1/message-reader.ts'
import { Outgoing } from '../../src/waypoint/codec/http1/outgoing.ts'
import {
  type ReadRequest,
  type ReadResponse,
  readRequest,
  readResponse,
} from '../../src/waypoint/codec/http1/read-head.ts'
import { DEFAULT_HTTP1 } from '../../src/waypoint/codec/http1/settings.ts'
import { writeRequest, writeResponse } from '../../src/waypoint/codec/http1/write-head.ts'
import { measure, print } from './measure.ts'

const SMALL = Buffer.from('GET /a HTTP/1.1\r\nHost: a.example:80\r\n\r\n')
const LARGE = Buffer.from(
  [
    'GET /catalog/products/4711?currency=eur&lang=de HTTP/1.1',
    'Host: catalog.shop.svc.cluster.local:8080',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'Accept-Language: de,en-US;q=0.7,en;q=0.3',
    'Accept-Encoding: gzip, deflate, br',
    `Cookie: session=${'0123456789abcdef'.repeat(8)}`,
    'X-Request-Id: 6f1c7a9a-3f58-4d26-8a0c-8f2f7d1f0001',
    'Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    ...Array.from({ length: 11 }, (_, at) => `X-Own-${at}: value-${at}`),
    '\r\n',
  ].join('\r\n'),
)
const ANSWER = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Content-Type: application/json; charset=utf-8',
    'Date: Tue, 01 Dec 2026 06:00:00 GMT',
    'Cache-Control: no-store',
    'Vary: Accept-Encoding',
    'Etag: "0123456789abcdef"',
    ...Array.from({ length: 6 }, (_, at) => `X-Own-${at}: value-${at}`),
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n'),
)

/** A connection that takes everything and keeps nothing. */
const channel: ByteChannel = {
  start: () => undefined,
  write: () => undefined,
  isCongested: false,
  consumed: () => undefined,
  end: () => undefined,
  destroy: () => undefined,
  isClosed: false,
}
const out = new Outgoing(channel)

let request: ReadRequest | undefined
let response: ReadResponse | undefined

const requests = new MessageReader('client', DEFAULT_HTTP1, {
  onHead: (scanner, bytes, end): BodyFraming => {
    request = readRequest(scanner, bytes, end)
    return request.framing
  },
  onBody: () => undefined,
  onMessageEnd: () => undefined,
})
const responses = new MessageReader('server', DEFAULT_HTTP1, {
  onHead: (scanner, bytes, end): BodyFraming => {
    response = readResponse(scanner, bytes, end, 'GET')
    return response.framing
  },
  onBody: () => undefined,
  onMessageEnd: () => undefined,
})

function passRequest(bytes: Buffer): void {
  requests.read(bytes, 0, bytes.length)
  if (request !== undefined) writeRequest(out, request.head, 0)
  out.flush()
}

function passResponse(bytes: Buffer): void {
  responses.read(bytes, 0, bytes.length)
  if (response !== undefined) writeResponse(out, response.head, 'length', 0, 'implied')
  out.flush()
}

print([
  measure(`read a request of ${SMALL.length} bytes`, () => requests.read(SMALL, 0, SMALL.length)),
  measure(`read and write it`, () => passRequest(SMALL)),
  measure(`read a request of 20 fields, ${LARGE.length} bytes`, () => requests.read(LARGE, 0, LARGE.length)),
  measure(`read and write it`, () => passRequest(LARGE)),
  measure(`read and write an answer of 12 fields, ${ANSWER.length} bytes`, () => passResponse(ANSWER)),
  measure(`read and write both`, () => {
    passRequest(LARGE)
    passResponse(ANSWER)
  }),
])
