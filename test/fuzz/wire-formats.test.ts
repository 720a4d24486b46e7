import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readMessage, writeMessage } from '#shared/dns'
import { MeshError } from '#shared/errors'
import { readProxyHeader } from '#shared/net'
import { createCsr, parseCsr, readRevocationLists, spiffeIdsOf } from '#shared/pki'
import { addressType, authorizationType } from '#shared/xds'
import { RecordDecoder } from '../../src/local/logs/cri-format.ts'
import { readCertificates } from '../../src/shared/pki/certificate.ts'
import { Attributes } from '../../src/shared/sys/netlink/attributes.ts'
import { decodeMessages, encodeMessage, errorOf } from '../../src/shared/sys/netlink/message.ts'
import { decodeExpression } from '../../src/shared/sys/nftables/expression-codec.ts'
import { decodeAddress } from '../../src/shared/sys/routing/address-codec.ts'
import { decodeLink } from '../../src/shared/sys/routing/link-codec.ts'
import { decodeRoute } from '../../src/shared/sys/routing/route-codec.ts'
import { decodeMarkRule } from '../../src/shared/sys/routing/rule-codec.ts'
import { schema } from '../../src/shared/xds/schema.ts'
import { decodeAck, decodeRequest, encodeRequest, readHello } from '../../src/shared/zds/messages.ts'
import { fuzz } from '../support/fuzz.ts'
import { MemoryCa } from '../support/memory-ca.ts'

/*
 * Everything that reads bytes of others, under bytes that nobody meant: noise, and good input of which parts were changed,
 * cut out, doubled or put in. A reader gives a value, or says what is wrong in the way that its callers expect.
 */

const ca = new MemoryCa()
const id = ca.id('shop', 'web')
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')

/** One change of good input. */
const edit = fc.record({ at: fc.nat(4096), cut: fc.nat(12), put: fc.uint8Array({ maxLength: 12 }) })

/** Noise, or one of these with a few changes. */
function spoilt(...good: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const changed = fc.tuple(fc.constantFrom(...good), fc.array(edit, { maxLength: 5 })).map(([whole, edits]) => {
    let bytes = Buffer.from(whole)
    for (const { at, cut, put } of edits) {
      const place = at % (bytes.length + 1)
      bytes = Buffer.concat([bytes.subarray(0, place), put, bytes.subarray(place + cut)])
    }
    return bytes
  })
  return fc.oneof(
    { weight: 4, arbitrary: changed },
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  )
}

/** Bytes in, a value or a MeshError out. */
type Reader = (bytes: Buffer) => unknown

function text(...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)))
}

const field = (number: number, body: Uint8Array): Buffer =>
  text(Buffer.of((number << 3) | 2, body.length), Buffer.from(body))

const WORKLOAD = field(
  1,
  text(
    field(20, Buffer.from('uid')),
    field(1, Buffer.from('web')),
    field(2, Buffer.from('shop')),
    field(3, Buffer.of(10, 0, 0, 1)),
  ),
)
const POLICY = text(
  field(1, Buffer.from('deny')),
  field(2, Buffer.from('shop')),
  Buffer.of(0x20, 1),
  field(5, field(1, field(2, field(3, field(1, Buffer.from('a')))))),
)
const csr = createCsr(id)
const [leafPem = ''] = ca.certify(csr.csrPem, id)
const [leaf] = readCertificates(leafPem)
const names = new Map([[2, 'eth0']])

/** Bodies of answers: an error with the kernel's words, an address, a link, a route, a rule. */
const netlinkBodies = [
  hex('eaffffff 20000000 0000 0500 01000000 00000000 0700 0100 6e6f0000'),
  hex('02200000 02000000 0800 0100 0a000001 0800 0200 0a000001'),
  hex('00000100 02000000 43100100 00000000 0900 0300 65746830 00000000'),
  hex('02180000 fe030001 00000000 0800 0100 0a000000 0800 0400 02000000'),
  hex('02000000 64000001 00000000 0800 0600 00010000 0800 0a00 11010000'),
]

function readNetlink(body: Buffer): void {
  for (const flags of [0, 0x100, 0x200, 0x300]) errorOf({ type: 2, flags, sequence: 1, body }, 'ask')
  const readBody: Reader[] = [
    decodeLink,
    decodeMarkRule,
    decodeExpression,
    (bytes) => decodeAddress(bytes, names),
    (bytes) => decodeRoute(bytes, names),
    (bytes) => new Attributes(bytes),
  ]
  for (const read of readBody) expected(() => read(body))
}

const readers: readonly (readonly [string, readonly Uint8Array[], Reader])[] = [
  ['a workload or service', [WORKLOAD], (bytes) => addressType.decode(bytes)],
  ['a policy', [POLICY], (bytes) => authorizationType.decode(bytes)],
  [
    'the hello, a request or an answer of ZDS',
    [
      hex('0801'),
      encodeRequest({ kind: 'keep', uid: 'u1' }),
      encodeRequest({ kind: 'delete', uid: 'u1' }),
      hex('0a00'),
    ],
    (bytes) => [readHello, decodeRequest, decodeAck].map((read) => expected(() => read(bytes))),
  ],
  ['a signing request', [Buffer.from(csr.csrPem)], (bytes) => parseCsr(bytes.toString('latin1'))],
  ['a certificate', [leaf?.raw ?? Buffer.alloc(0)], (bytes) => spiffeIdsOf(bytes)],
  [
    'a chain of certificates',
    [Buffer.from(leafPem + ca.rootPem)],
    (bytes) => readCertificates(bytes.toString('latin1')),
  ],
  ['a revocation list', [ca.revoke(['1', '2'])], (bytes) => readRevocationLists(bytes)],
  ['the body of an answer of netlink', netlinkBodies, readNetlink],
  [
    'a datagram of netlink',
    netlinkBodies.map((body) => encodeMessage({ type: 2, flags: 0x300, sequence: 1, body })),
    (bytes) => decodeMessages(bytes),
  ],
]

/** @throws whatever is no MeshError */
function expected(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    if (error instanceof MeshError) return undefined
    throw error
  }
}

const PROPERTIES = readers.length + 4

describe('spoilt bytes in place of', () => {
  it.each(readers)('%s are read, or refused by name', (what, good, read) => {
    fuzz(what, spoilt(...good), (bytes) => void expected(() => read(bytes)), { properties: PROPERTIES })
  })

  it('a response of the control plane are read, or a failure of its stream alone', () => {
    const good = schema().deltaResponse.encode({
      typeUrl: addressType.typeUrl,
      nonce: 'n',
      removedResources: ['a'],
      resources: [
        { name: 'x', version: '1', aliases: ['y'], resource: { type_url: addressType.typeUrl, value: WORKLOAD } },
      ],
    })
    // The codec is a library's: it fails with Errors of its own, which the stream catches. It must not fail otherwise.
    fuzz(
      'a delta response',
      spoilt(good),
      (bytes) => {
        try {
          schema().deltaResponse.decode(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          expect(error).not.toBeInstanceOf(TypeError)
        }
      },
      { properties: PROPERTIES },
    )
  })

  it('a DNS message are malformed, or a message that can be written and read again', () => {
    const query = hex('1234 0100 0001 0000 0000 0001 03777777 076578616d706c65 00 0001 0001 00 0029 04d0 00000000 0000')
    fuzz(
      'a DNS message',
      spoilt(query),
      (bytes) => {
        const read = readMessage(bytes)
        if (read.kind === 'message') expect(readMessage(writeMessage(read.message, 65_535))).toEqual(read)
      },
      { properties: PROPERTIES },
    )
  })

  it('a PROXY header are a header no longer than they are, a wish for more that is bounded, or refused', () => {
    const header = hex('0d0a0d0a000d0a515549540a 21 11 0011 0a000001 0a000002 0001 0002 d0 0002 6162')
    fuzz(
      'a PROXY header',
      spoilt(header),
      (bytes) => {
        const read = readProxyHeader(bytes, 1024)
        if (read.kind === 'header') expect(read.bytes).toBeLessThanOrEqual(bytes.length)
        if (read.kind === 'more') expect(read.needed > bytes.length && read.needed <= 1024).toBe(true)
      },
      { properties: PROPERTIES },
    )
  })

  it('records of a log give no more than they are', () => {
    const record = text(
      '2026-01-01T00:00:00.000000000Z stdout F hello\n',
      '2026-01-01T00:00:00.000000000Z stderr P part\n',
    )
    fuzz(
      'records of a log',
      fc.tuple(spoilt(record), fc.boolean()),
      ([bytes, timestamps]) => {
        const decoder = new RecordDecoder({ timestamps, sinceMs: undefined })
        expect(decoder.decode(bytes).length).toBeLessThanOrEqual(bytes.length)
      },
      { properties: PROPERTIES },
    )
  })
})
