import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DnsMessage,
  type DomainName,
  formatName,
  nameKey,
  parseName,
  type RecordData,
  type ResourceRecord,
  readMessage,
  recordTypes,
  writeMessage,
} from '#shared/dns'
import { ipFromBytes, parseIp } from '#shared/net'
import { message, name, question } from './messages.ts'

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const latin1 = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const names: fc.Arbitrary<DomainName> = fc.oneof(
  fc.array(latin1(1, 63), { maxLength: 3 }),
  fc.array(fc.constantFrom('web', 'WEB', 'shop', 'svc', 'cluster', 'local'), { maxLength: 12 }),
)
const known = Object.values(recordTypes) as number[]
const data: fc.Arbitrary<RecordData> = fc.oneof(
  fc.record({ type: fc.constant('A' as const), ip: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipOf) }),
  fc.record({ type: fc.constant('AAAA' as const), ip: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipOf) }),
  fc.record({ type: fc.constantFrom('CNAME' as const, 'NS' as const, 'PTR' as const), target: names }),
  fc.record({ type: fc.constant('SRV' as const), priority: u16, weight: u16, port: u16, target: names }),
  fc.record({
    type: fc.constant('SOA' as const),
    primary: names,
    mailbox: names,
    serial: u32,
    refreshSeconds: u32,
    retrySeconds: u32,
    expireSeconds: u32,
    minimumSeconds: u32,
  }),
  fc.record({ type: fc.constant('TXT' as const), texts: fc.array(latin1(0, 255), { minLength: 1, maxLength: 4 }) }),
  fc.record({
    type: fc.constant('other' as const),
    code: u16.filter((code) => !known.includes(code)),
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
)
const records: fc.Arbitrary<ResourceRecord> = fc
  .tuple(names, fc.integer({ min: 0, max: 0x7fff_ffff }), data)
  .map(([owner, ttlSeconds, of]) => ({ name: owner, class: 1, ttlSeconds, ...of }))
const edns = fc.record({
  udpBytes: u16,
  version: u8,
  wantsDnssec: fc.boolean(),
  options: fc.array(fc.record({ code: u16, bytes: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 3 }),
})
const bits = {
  id: u16,
  isResponse: fc.boolean(),
  opcode: fc.integer({ min: 0, max: 15 }),
  isAuthoritative: fc.boolean(),
  isTruncated: fc.boolean(),
  wantsRecursion: fc.boolean(),
  offersRecursion: fc.boolean(),
  isAuthentic: fc.boolean(),
  isCheckingDisabled: fc.boolean(),
  questions: fc.array(fc.record({ name: names, type: u16, class: u16 }), { maxLength: 2 }),
  answers: fc.array(records, { maxLength: 4 }),
  authorities: fc.array(records, { maxLength: 2 }),
  additionals: fc.array(records, { maxLength: 2 }),
}
const messages: fc.Arbitrary<DnsMessage> = fc.oneof(
  fc.record({ ...bits, rcode: fc.integer({ min: 0, max: 15 }), edns: fc.constant(undefined) }),
  fc.record({ ...bits, rcode: fc.integer({ min: 0, max: 4095 }), edns }),
)

function ipOf(bytes: Uint8Array): NonNullable<ReturnType<typeof ipFromBytes>> {
  const ip = ipFromBytes(bytes)
  if (ip === undefined) throw new TypeError('no address')
  return ip
}

describe('a message', () => {
  it('reads back as it was written', () => {
    fc.assert(
      fc.property(messages, (written) => {
        expect(readMessage(writeMessage(written))).toEqual({ kind: 'message', message: written })
      }),
    )
  })

  it('is malformed at every prefix, as its counts promise more', () => {
    fc.assert(
      fc.property(messages, (written) => {
        const bytes = writeMessage(written)
        const isMeant = written.questions.length + written.answers.length + written.authorities.length > 0
        const others = written.additionals.length + (written.edns === undefined ? 0 : 1)
        fc.pre(isMeant || others > 0)
        for (let length = 0; length < bytes.length; length++) {
          expect(readMessage(bytes.subarray(0, length)).kind).toBe('malformed')
        }
      }),
      { numRuns: 30 },
    )
  })

  it('of any bytes is read or malformed, and what is read can be written and read again', () => {
    const header = fc.tuple(u16, u16, ...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 3 })))
    const shaped = fc.tuple(header, fc.uint8Array({ maxLength: 200 })).map(([fields, rest]) => {
      const bytes = Buffer.alloc(12)
      for (const [i, field] of fields.entries()) bytes.writeUInt16BE(field, 2 * i)
      return Buffer.concat([bytes, rest])
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), shaped), (bytes) => {
        const read = readMessage(bytes)
        if (read.kind === 'message') expect(readMessage(writeMessage(read.message))).toEqual(read)
      }),
      { numRuns: 2_000 },
    )
  })

  it('with one byte changed never does more than be malformed or mean something else', () => {
    fc.assert(
      fc.property(messages, fc.nat(), u8, (written, at, value) => {
        const bytes = Buffer.from(writeMessage(written))
        bytes[at % bytes.length] = value
        expect(['message', 'malformed']).toContain(readMessage(bytes).kind)
      }),
    )
  })

  it('is compressed where names repeat, and never where that would change their case', () => {
    const a = (owner: string): ResourceRecord => ({
      name: name(owner),
      class: 1,
      ttlSeconds: 5,
      type: 'A',
      ip: ipOf(Uint8Array.of(10, 0, 0, 1)),
    })
    const full = 'web.shop.svc.cluster.local'
    const size = (answers: readonly ResourceRecord[]): number =>
      writeMessage(message({ questions: [question(full)], answers })).length
    const bare = size([])
    expect(size([a(full)]) - bare).toBe(2 + 14)
    expect(size([a('api.shop.svc.cluster.local')]) - bare).toBe(4 + 2 + 14)
    expect(size([a(full.toUpperCase())]) - bare).toBe(28 + 14)
  })

  it('does not compress the target of a service record', () => {
    const target = name('web.shop.svc.cluster.local')
    const srv: ResourceRecord = {
      name: target,
      class: 1,
      ttlSeconds: 5,
      type: 'SRV',
      priority: 0,
      weight: 1,
      port: 2,
      target,
    }
    const bytes = writeMessage(message({ answers: [srv] }))
    expect(Buffer.from(bytes).toString('latin1').split('cluster')).toHaveLength(3)
  })

  it.each([
    ['no name', message({ questions: [question('x')].map((each) => ({ ...each, name: ['a'.repeat(64)] })) })],
    ['a name too long', message({ questions: [{ ...question('x'), name: Array(128).fill('a') as string[] }] })],
    ['a code that needs EDNS', message({ rcode: 16 })],
    ['an address of the other family', message({ answers: [aaaaAsA()] })],
  ])('with %s is refused by the writer', (_, wrong) => {
    expect(() => writeMessage(wrong)).toThrow(RangeError)
  })
})

function aaaaAsA(): ResourceRecord {
  return { name: name('x'), class: 1, ttlSeconds: 0, type: 'A', ip: ipOf(Uint8Array.from({ length: 16 }, () => 1)) }
}

describe('a message that is too long', () => {
  const answers = (count: number): readonly ResourceRecord[] =>
    Array.from({ length: count }, (_, i) => ({
      name: name('web.shop'),
      class: 1,
      ttlSeconds: 5,
      type: 'A',
      ip: ipOf(Uint8Array.of(10, 0, i >> 8, i & 255)),
    }))

  it('holds what fits, whole, says that it was cut, and keeps EDNS', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 1_500 }), fc.integer({ min: 0, max: 120 }), (maxBytes, count) => {
        const edns = { udpBytes: 1232, version: 0, wantsDnssec: false, options: [] }
        const whole = message({ questions: [question('web.shop')], answers: answers(count), edns })
        const bytes = writeMessage(whole, maxBytes)
        expect(bytes.length).toBeLessThanOrEqual(maxBytes)
        const read = readMessage(bytes)
        if (read.kind === 'malformed') throw new Error(read.problem)
        expect(read.message.answers).toEqual(whole.answers.slice(0, read.message.answers.length))
        expect(read.message.isTruncated).toBe(read.message.answers.length < count)
        expect(read.message.edns).toEqual(edns)
      }),
    )
  })

  it('leaves out additional records without a word', () => {
    const bytes = writeMessage(message({ questions: [question('web.shop')], additionals: answers(50) }), 512)
    expect(readMessage(bytes)).toMatchObject({ message: { isTruncated: false } })
  })
})

describe('bytes of somebody who means harm', () => {
  const header = (counts: readonly number[]): number[] => [
    0,
    1,
    0,
    0,
    ...counts.flatMap((count) => [count >> 8, count & 255]),
  ]
  const asking = (...encoded: number[]): Uint8Array =>
    Uint8Array.from([...header([1, 0, 0, 0]), ...encoded, 0, 1, 0, 1])
  const answering = (...record: number[]): Uint8Array => Uint8Array.from([...header([0, 1, 0, 0]), ...record])
  const adding = (...record: number[]): Uint8Array => Uint8Array.from([...header([0, 0, 0, 1]), ...record])
  const letters = (count: number): number[] => Array.from({ length: count }, () => 97)

  it.each<[string, Uint8Array, string]>([
    ['a pointer to itself', asking(0xc0, 12), 'does not lead back'],
    ['a pointer forward', asking(0xc0, 14, 1, 97, 0), 'does not lead back'],
    ['a loop of two', asking(1, 97, 0xc0, 12), 'does not lead back'],
    ['a pointer into the header', asking(0xc0, 2), 'does not lead back'],
    ['a pointer cut in half', Uint8Array.from([...header([1, 0, 0, 0]), 0xc0]), 'beyond the end'],
    ['a label of the extended kind', asking(0x41, 97, 0), 'unknown kind'],
    ['a label of the reserved kind', asking(0x80, 97, 0), 'unknown kind'],
    ['a label that goes beyond the end', Uint8Array.from([...header([1, 0, 0, 0]), 63, 97]), 'beyond the end'],
    [
      'a name of 256 bytes',
      asking(
        ...Array(4)
          .fill([63, ...letters(63)])
          .flat(),
        0,
      ),
      'longer than 255',
    ],
    ['a count of questions that are not there', Uint8Array.from(header([65_535, 0, 0, 0])), 'beyond the end'],
    ['a count of answers that are not there', Uint8Array.from(header([0, 65_535, 0, 0])), 'beyond the end'],
    ['bytes behind the last record', Uint8Array.from([...header([0, 0, 0, 0]), 0]), 'something follows'],
    ['half a header', Uint8Array.from([0, 1, 0]), 'too early'],
    ['an address of three bytes', answering(0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 1, 2, 3), 'too early'],
    ['an address of five bytes', answering(0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5), 'not as long as it says'],
    ['a name that leaves its record', answering(0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 1, 1, 97, 0), 'not as long as it says'],
    [
      'a text that leaves its record',
      answering(0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 2, 3, 97, 98, 99),
      'not as long as it says',
    ],
    ['a text record without one', answering(0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0), 'without a text'],
    ['two OPT records', Uint8Array.from([...header([0, 0, 0, 2]), ...opt(), ...opt()]), 'more than one OPT'],
    ['an OPT record with a name', adding(1, 97, ...opt()), 'with a name'],
    ['an OPT record among the answers', answering(...opt()), 'outside of the additional records'],
    [
      'an option that leaves its OPT record',
      adding(0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 2, 1, 2),
      'not as long',
    ],
    ['more than a message can be', new Uint8Array(65_536), 'longer than a message can be'],
  ])('%s: malformed', (_, bytes, problem) => {
    expect(readMessage(bytes)).toEqual({ kind: 'malformed', problem: expect.stringContaining(problem) })
  })

  it('chains of pointers end after 126, whatever their number', () => {
    // An opaque record of a root label and pointers, each to the one before it; then a name that begins at the last.
    const dataAt = 12 + 11
    const pointerTo = (at: number): number[] => [0xc0 | (at >> 8), at & 255]
    const placeOf = (i: number): number => dataAt + 1 + 2 * i
    const chain = (count: number): Uint8Array => {
      const pointers = Array.from({ length: count }, (_, i) => pointerTo(i === 0 ? dataAt : placeOf(i - 1))).flat()
      const length = 1 + pointers.length
      const opaque = [0, 255, 0, 0, 1, 0, 0, 0, 0, length >> 8, length & 255, 0, ...pointers]
      const named = [...pointerTo(placeOf(count - 1)), 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]
      return Uint8Array.from([...header([0, 2, 0, 0]), ...opaque, ...named])
    }
    expect(readMessage(chain(5)).kind).toBe('message')
    expect(readMessage(chain(100)).kind).toBe('message')
    expect(readMessage(chain(200))).toEqual({ kind: 'malformed', problem: expect.stringContaining('too many') })
  })

  it('a lifetime with the highest bit counts as none', () => {
    const bytes = answering(0, 0, 1, 0, 1, 255, 255, 255, 255, 0, 4, 1, 2, 3, 4)
    expect(readMessage(bytes)).toMatchObject({ message: { answers: [{ ttlSeconds: 0, ip: '1.2.3.4' }] } })
  })

  function opt(): number[] {
    return [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]
  }
})

describe('a name', () => {
  it.each<[string, DomainName | undefined]>([
    ['web.shop', ['web', 'shop']],
    ['web.shop.', ['web', 'shop']],
    ['.', []],
    ['_http._tcp.web', ['_http', '_tcp', 'web']],
    ['a\\.b.c', ['a.b', 'c']],
    ['a\\046b', ['a.b']],
    ['', undefined],
    ['..', undefined],
    ['a..b', undefined],
    ['.a', undefined],
    ['a\\', undefined],
    ['a\\999', undefined],
    [`${'a'.repeat(64)}.b`, undefined],
    ['a.'.repeat(127), Array(127).fill('a') as string[]],
    ['a.'.repeat(128), undefined],
    ['emoji.☃', undefined],
  ])('%j is read as %j', (text, labels) => {
    expect(parseName(text)).toEqual(labels)
  })

  it('of any labels is written so that it reads back', () => {
    fc.assert(
      fc.property(names, (labels) => {
        expect(parseName(formatName(labels))).toEqual(labels)
      }),
    )
  })

  it('is the same in another case, for ASCII letters only', () => {
    expect(nameKey(['WeB', 'ShOp'])).toBe(nameKey(['web', 'shop']))
    expect(nameKey(['\u00c4'])).not.toBe(nameKey(['\u00e4']))
    expect(nameKey(['a.b'])).not.toBe(nameKey(['a', 'b']))
  })

  it('keeps an IPv4-mapped address as what it is', () => {
    const mapped = parseIp('::ffff:10.0.0.1')
    if (mapped === undefined) throw new TypeError('no address')
    const written = message({ answers: [{ name: name('x'), class: 1, ttlSeconds: 1, type: 'AAAA', ip: mapped }] })
    expect(readMessage(writeMessage(written))).toEqual({ kind: 'message', message: written })
  })
})
