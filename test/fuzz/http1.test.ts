import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BodyDecoder } from '../../src/waypoint/codec/http1/body-decoder.ts'
import { HeadCollector } from '../../src/waypoint/codec/http1/head-collector.ts'
import { Malformed } from '../../src/waypoint/codec/http1/malformed.ts'
import { readRequest } from '../../src/waypoint/codec/http1/request-head.ts'
import { HeadScan, scanRequest } from '../../src/waypoint/codec/http1/scan-head.ts'
import { framingOf } from '../../src/waypoint/codec/http1/server-exchange.ts'
import { DEFAULT_HTTP1 } from '../../src/waypoint/codec/http1/settings.ts'
import { fuzz } from '../support/fuzz.ts'
import { bytesOf, type RequestCase, type ResponseCase } from '../support/http1-cases.ts'
import { askLlhttp, type OracleMessage } from '../support/llhttp.ts'

const seeds = (
  JSON.parse(readFileSync(new URL('../conformance/http1/smuggling-cases.json', import.meta.url), 'utf8')) as {
    readonly cases: readonly (RequestCase | ResponseCase)[]
  }
).cases
  .filter(({ side, raw }) => side === 'request' && typeof raw === 'string')
  .map(({ raw }) => bytesOf(raw))

const PIECES = [
  ...[
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    '\0',
    ':',
    ';',
    ',',
    '0',
    '3',
    'chunked',
    '\x0b',
    '\xff',
    'HTTP/1.1',
    '\r\n\r\n',
    '+',
    '-',
    '"',
  ],
  ...[
    'Content-Length: 3\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Host: b\r\n',
    'Connection: close\r\n',
    'X: y\r\n',
    '0\r\n\r\n',
  ],
].map((text) => Buffer.from(text, 'latin1'))

const seed = fc.integer({ min: 0, max: seeds.length - 1 }).map((at) => seeds[at] as Buffer)

type Change = (bytes: Buffer, at: number) => Buffer

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map((octet): Change => {
    return (bytes, at) => Buffer.concat([bytes.subarray(0, at), Buffer.of(octet), bytes.subarray(at + 1)])
  }),
  fc.constantFrom(...PIECES).map((piece): Change => {
    return (bytes, at) => Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
  }),
  fc.integer({ min: 1, max: 4 }).map((count): Change => {
    return (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)])
  }),
  seed.map(
    (other): Change =>
      (bytes, at) =>
        Buffer.concat([bytes.subarray(0, at), other.subarray(at % other.length)]),
  ),
)

const mutated = fc
  .tuple(seed, fc.array(fc.tuple(change, fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1, maxLength: 3 }))
  .map(([bytes, changes]) =>
    changes.reduce((sofar, [mutate, place]) => mutate(sofar, Math.floor(place * sofar.length)), bytes),
  )

interface Opinion {
  readonly messages: readonly OracleMessage[]
  /** Of the message that is under way. */
  readonly partial: string
  readonly refusal: string | undefined
}

function read(pieces: readonly Buffer[]): Opinion {
  const messages: OracleMessage[] = []
  let target = ''
  let body = ''
  const scan = new HeadScan(DEFAULT_HTTP1.maxFields)
  const heads = new HeadCollector(DEFAULT_HTTP1.maxHeadBytes, scan)
  const decoder = new BodyDecoder(scan, {
    onBody: (bytes, start, end) => {
      body += bytes.toString('latin1', start, end)
    },
    onBodyEnd: () => {
      messages.push({ target, body })
      body = ''
    },
  })
  const readHead = (piece: Buffer, at: number): number =>
    heads.collect(
      piece,
      at,
      piece.length,
      (all, from, to) => scanRequest(scan, all, from, to),
      (all) => {
        target = all.toString('latin1', scan.targetStart, scan.targetEnd)
        decoder.begin(framingOf(readRequest(scan, all)))
      },
    )
  try {
    for (const piece of pieces) {
      for (let at = 0; at >= 0 && at < piece.length; ) {
        at = decoder.isEnded ? readHead(piece, at) : decoder.feed(piece, at, piece.length)
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof Malformed)) throw thrown
    return { messages, partial: body, refusal: thrown.message }
  }
  return { messages, partial: body, refusal: undefined }
}

describe('HTTP/1 requests that nobody wrote by hand', () => {
  it('are cut into the same messages as llhttp cuts them, as far as both go', () => {
    let agreed = 0
    fuzz(
      'HTTP/1 against llhttp',
      mutated.filter((bytes) => !/connect|upgrade|pri /i.test(bytes.toString('latin1'))),
      (bytes) => {
        const { messages } = read([bytes])
        const oracle = askLlhttp(bytes)
        const both = Math.min(messages.length, oracle.messages.length)
        agreed += both
        expect(messages.slice(0, both)).toEqual(oracle.messages.slice(0, both))
      },
      { properties: 2, runs: 20_000 },
    )
    expect(agreed).toBeGreaterThan(0)
  })

  it('are read the same however they are split', () => {
    fuzz(
      'HTTP/1 in pieces',
      fc.tuple(mutated, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 })),
      ([bytes, places]) => {
        const cuts = [0, ...places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b), bytes.length]
        const pieces = cuts.slice(1).map((end, at) => bytes.subarray(cuts[at], end))
        expect(read(pieces)).toEqual(read([bytes]))
      },
      { properties: 2, runs: 20_000 },
    )
  })
})
