import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Answerer,
  answerPacket,
  type DnsMessage,
  type ResourceRecord,
  rcodes,
  readMessage,
  TcpFrames,
  toTcpFrame,
  writeMessage,
} from '#shared/dns'
import { parseIp } from '#shared/net'
import { message, name, question } from './messages.ts'

const address = (last: number): ResourceRecord => {
  const ip = parseIp(`10.0.0.${last}`)
  if (ip === undefined) throw new TypeError('no address')
  return { name: name('web'), class: 1, ttlSeconds: 5, type: 'A', ip }
}
const answering =
  (count: number): Answerer =>
  () => ({
    rcode: rcodes.NOERROR,
    isAuthoritative: true,
    answers: Array.from({ length: count }, (_, i) => address(i)),
    authorities: [],
    additionals: [],
  })

function ask(query: DnsMessage, answerer = answering(1), transport: 'udp' | 'tcp' = 'udp'): DnsMessage | undefined {
  const reply = answerPacket(writeMessage(query), answerer, transport)
  const read = reply === undefined ? undefined : readMessage(reply)
  if (read?.kind === 'malformed') throw new Error(read.problem)
  return read?.message
}
const edns = (udpBytes: number, version = 0): DnsMessage['edns'] => ({
  udpBytes,
  version,
  wantsDnssec: true,
  options: [],
})

describe('an answer', () => {
  it('repeats id and question as they came, letter for letter, and offers recursion', () => {
    const query = message({ id: 4711, questions: [question('WeB.ShOp')], isCheckingDisabled: true })
    expect(ask(query)).toMatchObject({
      id: 4711,
      isResponse: true,
      isAuthoritative: true,
      wantsRecursion: true,
      offersRecursion: true,
      isCheckingDisabled: true,
      questions: [{ name: ['WeB', 'ShOp'] }],
      answers: [{ ip: '10.0.0.0' }],
      edns: undefined,
    })
  })

  it.each<[string, DnsMessage['edns'], 'udp' | 'tcp', number]>([
    ['without EDNS over UDP: 512', undefined, 'udp', 512],
    ['with EDNS that asks for less: 512', edns(100), 'udp', 512],
    ['with EDNS: what it says', edns(800), 'udp', 800],
    ['with EDNS that asks for much: what goes in one packet', edns(65_535), 'udp', 1_232],
    ['over TCP: all', undefined, 'tcp', 65_535],
  ])('%s bytes', (_, given, transport, maxBytes) => {
    const query = writeMessage(message({ questions: [question('web')], edns: given }))
    const reply = answerPacket(query, answering(250), transport)
    expect(reply?.length).toBeLessThanOrEqual(maxBytes)
    const isCut = maxBytes < 65_535
    if (isCut) expect(reply?.length).toBeGreaterThan(maxBytes - 20)
    expect(readMessage(reply ?? new Uint8Array())).toMatchObject({ message: { isTruncated: isCut } })
  })

  it('speaks EDNS with who speaks it', () => {
    expect(ask(message({ questions: [question('web')], edns: edns(4096) }))?.edns).toEqual({
      udpBytes: 1_232,
      version: 0,
      wantsDnssec: true,
      options: [],
    })
  })

  it.each<[string, DnsMessage, number]>([
    ['an update', message({ opcode: 5, questions: [question('web')] }), rcodes.NOTIMP],
    ['two questions', message({ questions: [question('web'), question('api')] }), rcodes.FORMERR],
    ['no question', message(), rcodes.FORMERR],
    ['another version of EDNS', message({ questions: [question('web')], edns: edns(512, 1) }), rcodes.BADVERS],
    ['another class', message({ questions: [{ ...question('web'), class: 3 }] }), rcodes.REFUSED],
  ])('to %s is an error, without asking for the name', (_, query, rcode) => {
    const never: Answerer = () => {
      throw new Error('asked')
    }
    expect(ask(query, never)).toMatchObject({ id: 7, isResponse: true, rcode, answers: [] })
  })

  it('to something malformed is FORMERR with its id', () => {
    const reply = answerPacket(Uint8Array.of(1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12), answering(1), 'udp')
    expect(readMessage(reply ?? new Uint8Array())).toMatchObject({
      message: { id: 258, isResponse: true, rcode: rcodes.FORMERR, wantsRecursion: true, questions: [] },
    })
  })

  it.each([
    ['an answer', writeMessage(message({ isResponse: true, questions: [question('web')] }))],
    ['less than a header', Uint8Array.of(1, 2, 0)],
    ['nothing', new Uint8Array()],
  ])('to %s is none', (_, packet) => {
    expect(answerPacket(packet, answering(1), 'udp')).toBeUndefined()
  })

  it('to any bytes is none, or a message that is an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const reply = answerPacket(bytes, answering(3), 'udp')
        if (reply === undefined) return
        expect(readMessage(reply)).toMatchObject({ kind: 'message', message: { isResponse: true } })
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('messages over TCP', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map(toTcpFrame))
          const frames = new TcpFrames()
          const got: Uint8Array[] = []
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + (cuts[i % cuts.length] ?? 1)
            got.push(...frames.push(stream.subarray(at, end)))
            at = end
          }
          expect(got.map((each) => [...each])).toEqual(messages.map((each) => [...each]))
          expect(frames.isWithinMessage).toBe(false)
        },
      ),
    )
  })

  it('that are not whole yet are waited for', () => {
    const frames = new TcpFrames()
    expect(frames.push(Uint8Array.of(0, 2, 1))).toEqual([])
    expect(frames.isWithinMessage).toBe(true)
  })
})
