import { MAX_MESSAGE_BYTES, readMessage } from './read-message.ts'
import {
  CLASS_ANY,
  CLASS_IN,
  type DnsMessage,
  type Edns,
  OPCODE_QUERY,
  type Question,
  type ResourceRecord,
  rcodes,
} from './types.ts'
import { writeMessage } from './write-message.ts'

/** What is answered to a question. */
export interface DnsAnswer {
  readonly rcode: number
  readonly isAuthoritative: boolean
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}

/** Knows the answers; a pure function of the question and of what its maker holds. */
export type Answerer = (question: Question) => DnsAnswer

export type Transport = 'udp' | 'tcp'

/** What a packet asks. */
export type Asked =
  | { readonly kind: 'question'; readonly query: DnsMessage; readonly question: Question }
  /** It is answered without looking at names. */
  | { readonly kind: 'refused'; readonly reply: Uint8Array }
  /** It is not answered at all: an answer to it could go round for ever, or there is nobody to answer. */
  | { readonly kind: 'ignored' }

const HEADER_BYTES = 12
const RESPONSE_BIT = 0x80
/** Every client takes this much (RFC 1035 §2.3.4) … */
const PLAIN_UDP_BYTES = 512
/** … and what is no longer than this is not fragmented anywhere. */
const MAX_UDP_BYTES = 1_232

const NOTHING = { isAuthoritative: false, answers: [], authorities: [], additionals: [] } as const

/** Reads a packet as a server does. */
export function readQuery(packet: Uint8Array): Asked {
  // Answering answers, or what has no id, helps nobody but somebody who forges senders.
  if (packet.length < HEADER_BYTES || ((packet[2] ?? 0) & RESPONSE_BIT) !== 0) return { kind: 'ignored' }
  const read = readMessage(packet)
  if (read.kind === 'malformed') return { kind: 'refused', reply: refusalOf(headerOf(packet), rcodes.FORMERR) }
  const { message: query } = read
  const [question] = query.questions
  if (query.opcode !== OPCODE_QUERY) return { kind: 'refused', reply: refusalOf(query, rcodes.NOTIMP) }
  if (query.edns !== undefined && query.edns.version > 0)
    return { kind: 'refused', reply: refusalOf(query, rcodes.BADVERS) }
  if (question === undefined || query.questions.length > 1)
    return { kind: 'refused', reply: refusalOf(query, rcodes.FORMERR) }
  if (question.class !== CLASS_IN && question.class !== CLASS_ANY)
    return { kind: 'refused', reply: refusalOf(query, rcodes.REFUSED) }
  return { kind: 'question', query, question }
}

/** The answer as bytes, as long as whoever asked takes them. */
export function writeReply(query: DnsMessage, answer: DnsAnswer, transport: Transport): Uint8Array {
  return writeMessage({ ...replyTo(query), ...answer }, transport === 'tcp' ? MAX_MESSAGE_BYTES : udpBytes(query.edns))
}

/** A packet in, a packet out; undefined: it is not answered. */
export function answerPacket(packet: Uint8Array, answerer: Answerer, transport: Transport): Uint8Array | undefined {
  const asked = readQuery(packet)
  if (asked.kind === 'ignored') return undefined
  if (asked.kind === 'refused') return asked.reply
  return writeReply(asked.query, answerer(asked.question), transport)
}

/** What every answer to `query` has: recursion is offered, as resolvers take an answer without it for a referral. */
function replyTo({ id, opcode, wantsRecursion, isCheckingDisabled, questions, edns }: DnsMessage): DnsMessage {
  return {
    ...NOTHING,
    id,
    isResponse: true,
    opcode,
    isTruncated: false,
    wantsRecursion,
    offersRecursion: true,
    isAuthentic: false,
    isCheckingDisabled,
    rcode: rcodes.NOERROR,
    questions,
    edns:
      edns === undefined
        ? undefined
        : { udpBytes: MAX_UDP_BYTES, version: 0, wantsDnssec: edns.wantsDnssec, options: [] },
  }
}

/** Says no more than it must: without the questions of a query that was not understood. */
function refusalOf(query: DnsMessage, rcode: number): Uint8Array {
  const questions = rcode === rcodes.FORMERR ? [] : query.questions.slice(0, 1)
  return writeMessage({ ...replyTo({ ...query, questions }), rcode }, PLAIN_UDP_BYTES)
}

/** As much as can be read of a message that is wrong behind its header. */
function headerOf(packet: Uint8Array): DnsMessage {
  const high = packet[2] ?? 0
  return {
    ...NOTHING,
    id: ((packet[0] ?? 0) << 8) | (packet[1] ?? 0),
    isResponse: false,
    opcode: (high >> 3) & 0xf,
    isTruncated: false,
    wantsRecursion: (high & 1) === 1,
    offersRecursion: false,
    isAuthentic: false,
    isCheckingDisabled: false,
    rcode: rcodes.NOERROR,
    questions: [],
    edns: undefined,
  }
}

function udpBytes(edns: Edns | undefined): number {
  return Math.min(Math.max(edns?.udpBytes ?? 0, PLAIN_UDP_BYTES), MAX_UDP_BYTES)
}
