import { ROOT } from './names.ts'
import {
  CLASS_IN,
  type DnsMessage,
  type Edns,
  type Question,
  type ReadMessage,
  type RecordData,
  type ResourceRecord,
  recordTypes,
} from './types.ts'
import { Malformed, WireReader } from './wire-reader.ts'

/** The length before a message on TCP has two bytes. */
export const MAX_MESSAGE_BYTES = 65_535
const MAX_TTL = 0x7fff_ffff

/**
 * Reads one whole message. Strict: every count, length and pointer must be right and nothing may follow. Never throws,
 * whatever the bytes are; work is bounded by their number.
 */
export function readMessage(bytes: Uint8Array): ReadMessage {
  if (bytes.length > MAX_MESSAGE_BYTES) return { kind: 'malformed', problem: 'it is longer than a message can be' }
  try {
    return { kind: 'message', message: messageOf(new WireReader(bytes)) }
  } catch (error) {
    if (error instanceof Malformed) return { kind: 'malformed', problem: error.message }
    throw error
  }
}

function messageOf(reader: WireReader): DnsMessage {
  const id = reader.u16()
  const flags = reader.u16()
  const questionCount = reader.u16()
  const counts = [reader.u16(), reader.u16(), reader.u16()] as const
  const questions = repeat(questionCount, () => readQuestion(reader))
  const opts: RawOpt[] = []
  const [answers, authorities, additionals] = [
    records(reader, counts[0], undefined),
    records(reader, counts[1], undefined),
    records(reader, counts[2], opts),
  ]
  if (!reader.isAtEnd) throw new Malformed('something follows the last record')
  if (opts.length > 1) throw new Malformed('there is more than one OPT record')
  const opt = opts[0]
  return {
    id,
    isResponse: hasBit(flags, 15),
    opcode: (flags >> 11) & 0xf,
    isAuthoritative: hasBit(flags, 10),
    isTruncated: hasBit(flags, 9),
    wantsRecursion: hasBit(flags, 8),
    offersRecursion: hasBit(flags, 7),
    isAuthentic: hasBit(flags, 5),
    isCheckingDisabled: hasBit(flags, 4),
    rcode: (flags & 0xf) | ((opt?.highRcode ?? 0) << 4),
    questions,
    answers,
    authorities,
    additionals,
    edns: opt?.edns,
  }
}

function readQuestion(reader: WireReader): Question {
  return { name: reader.name(), type: reader.u16(), class: reader.u16() }
}

interface RawOpt {
  readonly edns: Edns
  readonly highRcode: number
}

/** @param opts where OPT records go; undefined: they must not be here */
function records(reader: WireReader, count: number, opts: RawOpt[] | undefined): readonly ResourceRecord[] {
  const found: ResourceRecord[] = []
  for (let i = 0; i < count; i++) {
    const name = reader.name()
    const type = reader.u16()
    if (type === recordTypes.OPT) {
      if (opts === undefined) throw new Malformed('an OPT record outside of the additional records')
      if (name.length > ROOT.length) throw new Malformed('an OPT record with a name')
      opts.push(readOpt(reader))
      continue
    }
    const recordClass = reader.u16()
    const ttl = reader.u32()
    const length = reader.u16()
    const end = reader.at + length
    const data: RecordData =
      recordClass === CLASS_IN
        ? readData(reader, type, length)
        : { type: 'other', code: type, bytes: reader.bytes(length) }
    if (reader.at !== end) throw new Malformed('a record is not as long as it says')
    // RFC 2181 §8: a value with the highest bit set counts as 0.
    found.push({ name, class: recordClass, ttlSeconds: ttl > MAX_TTL ? 0 : ttl, ...data })
  }
  return found
}

function readData(reader: WireReader, type: number, length: number): RecordData {
  switch (type) {
    case recordTypes.A:
      return { type: 'A', ip: reader.ip(4) }
    case recordTypes.AAAA:
      return { type: 'AAAA', ip: reader.ip(16) }
    case recordTypes.CNAME:
      return { type: 'CNAME', target: reader.name() }
    case recordTypes.NS:
      return { type: 'NS', target: reader.name() }
    case recordTypes.PTR:
      return { type: 'PTR', target: reader.name() }
    case recordTypes.SRV:
      return {
        type: 'SRV',
        priority: reader.u16(),
        weight: reader.u16(),
        port: reader.u16(),
        target: reader.name(),
      }
    case recordTypes.SOA:
      return {
        type: 'SOA',
        primary: reader.name(),
        mailbox: reader.name(),
        serial: reader.u32(),
        refreshSeconds: reader.u32(),
        retrySeconds: reader.u32(),
        expireSeconds: reader.u32(),
        minimumSeconds: reader.u32(),
      }
    case recordTypes.TXT:
      return { type: 'TXT', texts: readTexts(reader, length) }
    default:
      return { type: 'other', code: type, bytes: reader.bytes(length) }
  }
}

function readTexts(reader: WireReader, length: number): readonly string[] {
  const end = reader.at + length
  const texts: string[] = []
  while (reader.at < end) texts.push(reader.latin1(reader.u8()))
  if (texts.length === 0) throw new Malformed('a TXT record without a text')
  return texts
}

/** Its class and lifetime are other things than elsewhere (RFC 6891 §6.1.2). */
function readOpt(reader: WireReader): RawOpt {
  const udpBytes = reader.u16()
  const highRcode = reader.u8()
  const version = reader.u8()
  const flags = reader.u16()
  const end = reader.u16() + reader.at
  const options: Edns['options'][number][] = []
  while (reader.at < end) options.push({ code: reader.u16(), bytes: reader.bytes(reader.u16()) })
  if (reader.at !== end) throw new Malformed('an OPT record is not as long as it says')
  return { edns: { udpBytes, version, wantsDnssec: hasBit(flags, 15), options }, highRcode }
}

function hasBit(flags: number, bit: number): boolean {
  return ((flags >> bit) & 1) === 1
}

function repeat<T>(count: number, make: () => T): readonly T[] {
  const made: T[] = []
  for (let i = 0; i < count; i++) made.push(make())
  return made
}
