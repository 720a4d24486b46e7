import {
  type DnsMessage,
  formatName,
  OPCODE_QUERY,
  type Question,
  rcodes,
  readMessage,
  readQuery,
  recordTypes,
  type Transport,
} from '#shared/dns'
import { errorReply, HEADER_BYTES, opcodeOf } from './wire.ts'

/** How a packet of a pod is to be treated. */
export type PodQuery =
  /** The mesh may know the answer. */
  | ({ readonly kind: 'address'; readonly query: DnsMessage; readonly question: Question } & Named)
  /** Nothing that the mesh knows: it goes to the upstream as it is. */
  | ({ readonly kind: 'other' } & Named)
  /** The same, and its answer may be many messages. */
  | ({ readonly kind: 'transfer' } & Named)
  | { readonly kind: 'refused'; readonly reply: Uint8Array }
  | { readonly kind: 'ignored' }

/** How logs and metrics name it. */
export interface Named {
  /** The record type: `A`, `HTTPS`; of other operations than queries their number. */
  readonly type: string
  /** With the last dot; empty where there is none. */
  readonly domain: string
}

/**
 * Sorts what a pod sends. Only what cannot be read as a query is refused; every type, operation, class and number of questions is for the upstream to judge.
 */
export function readPodQuery(packet: Uint8Array, transport: Transport): PodQuery {
  if (packet.length >= HEADER_BYTES && ((packet[2] ?? 0) & 0x80) === 0 && opcodeOf(packet) !== OPCODE_QUERY)
    return { kind: 'other', type: `OPCODE${opcodeOf(packet)}`, domain: '' }
  const asked = readQuery(packet)
  switch (asked.kind) {
    case 'ignored':
      return asked
    case 'question': {
      const { query, question } = asked
      // By UDP its answer is one message, like all others.
      if (transport === 'tcp' && ZONE_TRANSFERS.has(question.type)) return { kind: 'transfer', ...named(question) }
      const isAddress = question.type === recordTypes.A || question.type === recordTypes.AAAA
      return isAddress
        ? { kind: 'address', query, question, ...named(question) }
        : { kind: 'other', ...named(question) }
    }
    case 'refused': {
      const read = readMessage(packet)
      if (read.kind === 'malformed') return { kind: 'refused', reply: errorReply(packet, rcodes.FORMERR) }
      const [question] = read.message.questions
      return { kind: 'other', ...(question === undefined ? { type: UNKNOWN_TYPE, domain: '' } : named(question)) }
    }
  }
}

function named({ type, name }: Question): Named {
  return { type: TYPE_NAMES.get(type) ?? UNKNOWN_TYPE, domain: formatName(name) }
}

/** IXFR and AXFR. */
const ZONE_TRANSFERS: ReadonlySet<number> = new Set([251, 252])

/** One name for all the rest, so that no pod can make series of metrics by asking. */
const UNKNOWN_TYPE = 'UNKNOWN'

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'A'],
  [2, 'NS'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [12, 'PTR'],
  [13, 'HINFO'],
  [15, 'MX'],
  [16, 'TXT'],
  [28, 'AAAA'],
  [33, 'SRV'],
  [35, 'NAPTR'],
  [43, 'DS'],
  [44, 'SSHFP'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [50, 'NSEC3'],
  [52, 'TLSA'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [257, 'CAA'],
])
