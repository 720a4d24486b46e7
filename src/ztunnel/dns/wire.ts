import { type DnsMessage, type ResourceRecord, rcodes, type Transport, writeMessage } from '#shared/dns'

export const HEADER_BYTES = 12
/** What every client takes over UDP (RFC 1035 §2.3.4). */
const PLAIN_UDP_BYTES = 512
const MAX_LABEL_BYTES = 63
/** Name, type and class: what follows a name in a question. */
const TYPE_AND_CLASS_BYTES = 4

const QR = 0x80
const AA = 0x04
const TC = 0x02
/** Upper case and lower case of an ASCII letter differ in it. */
const CASE_BIT = 0x20

/**
 * The mesh's answer: authoritative, recursion offered, EDNS only when it was asked with, echoed. It goes over the pod's
 * loopback, where nothing is fragmented, so it may be as long as the client takes.
 */
export function meshReply(query: DnsMessage, answers: readonly ResourceRecord[], transport: Transport): Uint8Array {
  const { id, opcode, wantsRecursion, isCheckingDisabled, questions, edns } = query
  const udpBytes = Math.max(edns?.udpBytes ?? 0, PLAIN_UDP_BYTES)
  return writeMessage(
    {
      id,
      opcode,
      wantsRecursion,
      isCheckingDisabled,
      questions,
      answers,
      isResponse: true,
      isAuthoritative: true,
      isTruncated: false,
      offersRecursion: true,
      isAuthentic: false,
      rcode: rcodes.NOERROR,
      authorities: [],
      additionals: [],
      edns: edns && { udpBytes, version: edns.version, wantsDnssec: edns.wantsDnssec, options: [] },
    },
    transport === 'udp' ? udpBytes : undefined,
  )
}

/** An error by its code alone: no records, neither authoritative nor recursive; with the question when there is one. */
export function errorReply(query: Uint8Array, rcode: number): Uint8Array {
  const questionsEnd = endOfQuestions(query)
  const reply = Buffer.from(query.subarray(0, questionsEnd ?? HEADER_BYTES))
  const high = reply[2] ?? 0
  reply[2] = QR | (high & ~(AA | TC))
  reply[3] = rcode
  // How many questions there are stays as it was; of everything else there is nothing.
  if (questionsEnd === undefined) reply.writeUInt16BE(0, 4)
  reply.fill(0, 6, HEADER_BYTES)
  return reply
}

/** The same message under another id. */
export function withId(message: Uint8Array, id: number): Uint8Array {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

export function idOf(message: Uint8Array): number {
  return u16(message, 0)
}

export function opcodeOf(message: Uint8Array): number {
  return ((message[2] ?? 0) >> 3) & 0xf
}

/** Without EDNS's upper bits: enough to tell success from failure. */
export function rcodeOf(message: Uint8Array): number {
  return (message[3] ?? 0) & 0xf
}

/**
 * Whether a packet answers what was asked: the same id, opcode and first question. Servers that refuse may leave the
 * question out, and for other operations than queries its place means other things.
 */
export function isAnswerTo(query: Uint8Array, packet: Uint8Array): boolean {
  if (packet.length < HEADER_BYTES || ((packet[2] ?? 0) & QR) === 0) return false
  if (idOf(packet) !== idOf(query) || opcodeOf(packet) !== opcodeOf(query)) return false
  if (u16(packet, 4) === 0) return rcodeOf(packet) !== rcodes.NOERROR || opcodeOf(query) !== 0 || u16(query, 4) === 0
  const end = endOfQuestion(query, HEADER_BYTES)
  return end === undefined || (u16(query, 4) > 0 && isSameText(query, packet, HEADER_BYTES, end))
}

/** Whether a packet goes on with an answer of many messages: the question may be missing (RFC 5936 §2.2.1). */
export function isMoreOf(query: Uint8Array, packet: Uint8Array): boolean {
  return packet.length >= HEADER_BYTES && ((packet[2] ?? 0) & QR) !== 0 && idOf(packet) === idOf(query)
}

/** Behind the last question; undefined when they are not all there, or compressed, which no question need be. */
function endOfQuestions(message: Uint8Array): number | undefined {
  let at: number | undefined = HEADER_BYTES
  for (let left = u16(message, 4); left > 0 && at !== undefined; left--) at = endOfQuestion(message, at)
  return at
}

function endOfQuestion(message: Uint8Array, start: number): number | undefined {
  let at = start
  for (;;) {
    const length = message[at]
    if (length === undefined || length > MAX_LABEL_BYTES) return undefined
    at += 1 + length
    if (length === 0) break
  }
  const end = at + TYPE_AND_CLASS_BYTES
  return end <= message.length ? end : undefined
}

/** Names may come back in another case; that bytes which are no letters differ in that bit as well is of no matter. */
function isSameText(one: Uint8Array, other: Uint8Array, start: number, end: number): boolean {
  if (other.length < end) return false
  for (let at = start; at < end - TYPE_AND_CLASS_BYTES; at++)
    if (((one[at] ?? 0) | CASE_BIT) !== ((other[at] ?? 0) | CASE_BIT)) return false
  for (let at = end - TYPE_AND_CLASS_BYTES; at < end; at++) if (one[at] !== other[at]) return false
  return true
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
