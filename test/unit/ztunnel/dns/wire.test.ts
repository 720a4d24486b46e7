import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLASS_IN, type DnsMessage, parseName, rcodes, readMessage, recordTypes, writeMessage } from '#shared/dns'
import { readPodQuery } from '../../../../src/ztunnel/dns/query.ts'
import { errorReply, isAnswerTo, meshReply, withId } from '../../../../src/ztunnel/dns/wire.ts'
import { ip } from '../../../support/mesh-builder.ts'

const name = parseName('Web.shop') ?? []
const empty: DnsMessage = {
  id: 7,
  isResponse: false,
  opcode: 0,
  isAuthoritative: false,
  isTruncated: false,
  wantsRecursion: true,
  offersRecursion: false,
  isAuthentic: false,
  isCheckingDisabled: false,
  rcode: 0,
  questions: [{ name, type: recordTypes.A, class: CLASS_IN }],
  answers: [],
  authorities: [],
  additionals: [],
  edns: undefined,
}
const bytes = (change: Partial<DnsMessage> = {}): Uint8Array => writeMessage({ ...empty, ...change })
const read = (packet: Uint8Array): DnsMessage => {
  const message = readMessage(packet)
  if (message.kind === 'malformed') throw new Error(message.problem)
  return message.message
}
const edns = { udpBytes: 4096, version: 0, wantsDnssec: true, options: [{ code: 10, bytes: new Uint8Array(8) }] }

describe('readPodQuery', () => {
  const question = (type: number, of = CLASS_IN) => ({ questions: [{ name, type, class: of }] })
  it.each([
    ['an A query', bytes(), { kind: 'address', type: 'A', domain: 'Web.shop.' }],
    ['an AAAA query', bytes(question(28)), { kind: 'address', type: 'AAAA' }],
    ['SRV', bytes(question(33)), { kind: 'other', type: 'SRV', domain: 'Web.shop.' }],
    ['HTTPS', bytes(question(65)), { kind: 'other', type: 'HTTPS' }],
    ['a type that nobody knows', bytes(question(65_280)), { kind: 'other', type: 'UNKNOWN' }],
    ['another class', bytes(question(recordTypes.TXT, 3)), { kind: 'other', type: 'TXT' }],
    ['no question, as cookies are asked for', bytes({ questions: [] }), { kind: 'other', type: 'UNKNOWN' }],
    ['two questions', bytes({ questions: [...empty.questions, ...empty.questions] }), { kind: 'other', type: 'A' }],
    ['a newer EDNS', bytes({ edns: { ...edns, version: 1 } }), { kind: 'other', type: 'A' }],
    ['a dynamic update', bytes({ opcode: 5 }), { kind: 'other', type: 'OPCODE5' }],
    [
      'another operation with anything behind its header',
      Buffer.from('000730000000000000000000ff', 'hex'),
      { kind: 'other' },
    ],
    ['an answer', bytes({ isResponse: true }), { kind: 'ignored' }],
    ['an answer to another operation', bytes({ isResponse: true, opcode: 5 }), { kind: 'ignored' }],
    ['less than a header', bytes().subarray(0, 11), { kind: 'ignored' }],
    ['a query that breaks off', bytes().subarray(0, 20), { kind: 'refused' }],
    ['a query with something behind it', Buffer.concat([bytes(), Buffer.of(0)]), { kind: 'refused' }],
  ])('sorts %s', (_, packet, expected) => {
    expect(readPodQuery(packet, 'udp')).toMatchObject(expected)
  })

  it.each([
    ['a name that leads to itself', '0007010000010000000000 00c00c00010001'],
    ['names that lead round in a circle', '00070100000200000000 0000c01200010001c00c00010001'],
    ['counts without records', '0007010000 01ffffffffffff 0000010001'],
    ['a count of questions without questions', '00070100ffff000000000000'],
  ])('refuses %s with FORMERR and nothing else', (_, hex) => {
    const asked = readPodQuery(Buffer.from(hex.replaceAll(' ', ''), 'hex'), 'udp')
    if (asked.kind !== 'refused') throw new Error(asked.kind)
    const { rcode, answers, isAuthoritative, offersRecursion } = read(asked.reply)
    expect({ rcode, answers, isAuthoritative, offersRecursion }).toEqual({
      rcode: rcodes.FORMERR,
      answers: [],
      isAuthoritative: false,
      offersRecursion: false,
    })
  })

  it.each([
    ['AXFR', 252],
    ['IXFR', 251],
  ])('takes %s by TCP for an answer of many messages, and by UDP for one like all others', (type, number) => {
    const packet = bytes(question(number))
    expect(readPodQuery(packet, 'tcp')).toMatchObject({ kind: 'transfer', type })
    expect(readPodQuery(packet, 'udp')).toMatchObject({ kind: 'other', type })
  })

  it('takes any bytes, and what it refuses is answered with a message that can be read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (packet) => {
        const asked = readPodQuery(packet, 'udp')
        if (asked.kind !== 'refused') return
        expect(read(asked.reply)).toMatchObject({ isResponse: true, rcode: rcodes.FORMERR, answers: [] })
        expect(asked.reply.length).toBeLessThanOrEqual(Math.max(packet.length, 12))
      }),
    )
  })
})

describe('meshReply', () => {
  const a = (last: number) => ({ name, class: CLASS_IN, ttlSeconds: 30, type: 'A' as const, ip: ip(`10.0.0.${last}`) })
  const many = Array.from({ length: 100 }, (_, i) => a(i))

  it('is authoritative, offers recursion, and has the question as it was asked', () => {
    expect(read(meshReply(empty, [a(1)], 'udp'))).toMatchObject({
      id: 7,
      isResponse: true,
      isAuthoritative: true,
      offersRecursion: true,
      wantsRecursion: true,
      rcode: 0,
      questions: empty.questions,
      edns: undefined,
    })
  })

  it('echoes size, version and DO of EDNS when it was asked with it, but no options', () => {
    expect(read(meshReply({ ...empty, edns }, [], 'udp')).edns).toEqual({ ...edns, options: [] })
  })

  it('says 512 bytes where the client says less', () => {
    expect(read(meshReply({ ...empty, edns: { ...edns, udpBytes: 100 } }, [], 'udp')).edns?.udpBytes).toBe(512)
  })

  it.each([
    ['512 bytes without EDNS', undefined, 'udp' as const, 512, true],
    ['what the client takes', { ...edns, udpBytes: 1000 }, 'udp' as const, 1000, true],
    ['all of it when there is room', edns, 'udp' as const, 4096, false],
    ['all of it by TCP', undefined, 'tcp' as const, 65_535, false],
  ])('is cut to %s', (_, given, transport, maxBytes, isTruncated) => {
    const reply = meshReply({ ...empty, edns: given }, many, transport)
    expect(reply.length).toBeLessThanOrEqual(maxBytes)
    expect(read(reply).isTruncated).toBe(isTruncated)
    expect(read(reply).answers.length === many.length).toBe(!isTruncated)
  })
})

describe('errorReply', () => {
  it('has the code, the question and RD, and neither AA, RA, records nor EDNS', () => {
    expect(read(errorReply(bytes({ edns }), rcodes.SERVFAIL))).toEqual({ ...empty, isResponse: true, rcode: 2 })
  })

  it('keeps the operation', () => {
    expect(read(errorReply(bytes({ opcode: 5 }), rcodes.SERVFAIL))).toMatchObject({ opcode: 5, rcode: 2 })
  })
})

describe('isAnswerTo', () => {
  const query = bytes()
  const reply = (change: Partial<DnsMessage> = {}) => bytes({ isResponse: true, ...change })
  const asking = (text: string, type: number = recordTypes.A) => [
    { name: parseName(text) ?? [], type, class: CLASS_IN },
  ]
  it.each([
    ['the answer', reply(), true],
    ['the answer in another case', reply({ questions: asking('wEB.SHOP') }), true],
    ['a refusal without question', reply({ questions: [], rcode: rcodes.REFUSED }), true],
    ['a success without question', reply({ questions: [] }), false],
    ['another id', reply({ id: 8 }), false],
    ['a query', bytes(), false],
    ['another operation', reply({ opcode: 4 }), false],
    ['another name', reply({ questions: asking('wex.shop') }), false],
    ['a longer name', reply({ questions: asking('web.shop.evil') }), false],
    ['another type', reply({ questions: asking('web.shop', recordTypes.AAAA) }), false],
    ['less than a header', reply().subarray(0, 11), false],
  ])('takes %s: it is one, or not', (_, packet, expected) => {
    expect(isAnswerTo(query, packet)).toBe(expected)
  })

  it('never takes what was not asked, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 60 }), (packet) => {
        packet[0] = 1
        expect(isAnswerTo(query, packet)).toBe(false)
      }),
    )
  })

  it('changes the id alone', () => {
    expect(read(withId(query, 0xffff))).toEqual({ ...empty, id: 0xffff })
  })
})
