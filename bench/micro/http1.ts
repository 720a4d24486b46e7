// node --conditions=source bench/micro/http1.ts
import { OctetFields } from '../../src/waypoint/codec/http1/fields.ts'
import { readRequest } from '../../src/waypoint/codec/http1/request-head.ts'
import { HeadScan, scanRequest, scanResponse } from '../../src/waypoint/codec/http1/scan-head.ts'
import { writeRequestHead, writeResponseHead } from '../../src/waypoint/codec/http1/write-head.ts'
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
    'Content-Length: 1024',
    '\r\n',
  ].join('\r\n'),
)

const scan = new HeadScan(100)

function passRequest(bytes: Buffer): number {
  scanRequest(scan, bytes, 0, bytes.length)
  return writeRequestHead(readRequest(scan, bytes).head, { kind: 'none' }).length
}

function passResponse(bytes: Buffer): number {
  scanResponse(scan, bytes, 0, bytes.length)
  const fields = new OctetFields(scan, bytes, 'head')
  return writeResponseHead({ status: scan.status, fields }, { kind: 'length', bytes: 1024 }, undefined).length
}

print([
  measure(`scan a request of ${SMALL.length} bytes`, () => scanRequest(scan, SMALL, 0, SMALL.length)),
  measure(`read and write it`, () => passRequest(SMALL)),
  measure(`scan a request of 20 fields, ${LARGE.length} bytes`, () => scanRequest(scan, LARGE, 0, LARGE.length)),
  measure(`read and write it`, () => passRequest(LARGE)),
  measure(`read and write an answer of 12 fields, ${ANSWER.length} bytes`, () => passResponse(ANSWER)),
  measure(`read and write both`, () => passRequest(LARGE) + passResponse(ANSWER)),
])
