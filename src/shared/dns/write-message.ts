import { MAX_MESSAGE_BYTES } from './read-message.ts'
import { type DnsMessage, type Edns, type RecordData, type ResourceRecord, recordTypes } from './types.ts'
import { WireWriter } from './wire-writer.ts'

const FLAGS_AT = 2
const COUNTS_AT = 4
const TRUNCATED = 1 << 9
/** Name, type, class, lifetime and length. */
const OPT_BYTES = 11

/**
 * Writes a message in at most `maxBytes`. When the answers or authorities do not fit, those that do are there and TC is
 * set, so that the client asks again over TCP; additional records that do not fit are left out silently (RFC 2181 §9).
 *
 * @throws RangeError when the message itself is wrong: no domain name, a number out of its range, questions that alone
 *   do not fit
 */
export function writeMessage(message: DnsMessage, maxBytes: number = MAX_MESSAGE_BYTES): Uint8Array {
  const { questions, answers, authorities, additionals, edns } = message
  if (message.rcode > 0xf && edns === undefined) throw new RangeError('such a response code needs EDNS')
  const writer = new WireWriter(Math.min(maxBytes, MAX_MESSAGE_BYTES))
  const isBegun = writer.attempt(() => {
    writer.u16(message.id)
    writer.u16(flagsOf(message))
    writer.u16(questions.length)
    for (let i = 0; i < 3; i++) writer.u16(0)
    for (const { name, type, class: of } of questions) {
      writer.name(name, 'compressed')
      writer.u16(type)
      writer.u16(of)
    }
  })
  const optBytes = edns === undefined ? 0 : bytesOfOpt(edns)
  if (!isBegun || writer.written.length + optBytes > maxBytes) throw new RangeError('the questions alone do not fit')
  writer.reserve(optBytes)
  const answered = writeAll(writer, answers)
  const authorised = answered < answers.length ? 0 : writeAll(writer, authorities)
  const isCut = answered < answers.length || authorised < authorities.length
  const added = isCut ? 0 : writeAll(writer, additionals)
  writer.reserve(-optBytes)
  if (edns !== undefined) writeOpt(writer, edns, message.rcode >> 4)
  if (isCut) writer.patchU16(FLAGS_AT, flagsOf(message) | TRUNCATED)
  const counts = [questions.length, answered, authorised, added + (edns === undefined ? 0 : 1)]
  for (const [i, count] of counts.entries()) writer.patchU16(COUNTS_AT + 2 * i, count)
  return writer.written
}

/** @returns how many fitted */
function writeAll(writer: WireWriter, records: readonly ResourceRecord[]): number {
  const full = records.findIndex((record) => !writer.attempt(() => writeRecord(writer, record)))
  return full < 0 ? records.length : full
}

function writeRecord(writer: WireWriter, record: ResourceRecord): void {
  writer.name(record.name, 'compressed')
  writer.u16(record.type === 'other' ? record.code : recordTypes[record.type])
  writer.u16(record.class)
  writer.u32(record.ttlSeconds)
  writer.withLength(() => writeData(writer, record))
}

function writeData(writer: WireWriter, data: RecordData): void {
  switch (data.type) {
    case 'A':
      writer.ip(data.ip, 4)
      break
    case 'AAAA':
      writer.ip(data.ip, 16)
      break
    case 'CNAME':
    case 'NS':
    case 'PTR':
      writer.name(data.target, 'compressed')
      break
    case 'SRV':
      for (const value of [data.priority, data.weight, data.port]) writer.u16(value)
      // RFC 2782: its target must not be compressed.
      writer.name(data.target, 'whole')
      break
    case 'SOA':
      writer.name(data.primary, 'compressed')
      writer.name(data.mailbox, 'compressed')
      for (const value of [data.serial, data.refreshSeconds, data.retrySeconds]) writer.u32(value)
      for (const value of [data.expireSeconds, data.minimumSeconds]) writer.u32(value)
      break
    case 'TXT':
      if (data.texts.length === 0) throw new RangeError('a TXT record without a text')
      for (const text of data.texts) {
        writer.u8(text.length)
        writer.latin1(text)
      }
      break
    case 'other':
      writer.bytes(data.bytes)
      break
  }
}

function writeOpt(writer: WireWriter, { udpBytes, version, wantsDnssec, options }: Edns, highRcode: number): void {
  writer.u8(0)
  writer.u16(recordTypes.OPT)
  writer.u16(udpBytes)
  writer.u8(highRcode)
  writer.u8(version)
  writer.u16(wantsDnssec ? 0x8000 : 0)
  writer.withLength(() => {
    for (const { code, bytes } of options) {
      writer.u16(code)
      writer.u16(bytes.length)
      writer.bytes(bytes)
    }
  })
}

function bytesOfOpt({ options }: Edns): number {
  return options.reduce((sum, { bytes }) => sum + 4 + bytes.length, OPT_BYTES)
}

function flagsOf(message: DnsMessage): number {
  const bit = (is: boolean, at: number): number => (is ? 1 << at : 0)
  return (
    bit(message.isResponse, 15) |
    ((message.opcode & 0xf) << 11) |
    bit(message.isAuthoritative, 10) |
    bit(message.isTruncated, 9) |
    bit(message.wantsRecursion, 8) |
    bit(message.offersRecursion, 7) |
    bit(message.isAuthentic, 5) |
    bit(message.isCheckingDisabled, 4) |
    (message.rcode & 0xf)
  )
}
