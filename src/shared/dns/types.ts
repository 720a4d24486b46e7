import type { IpAddress } from '#shared/net'
import type { DomainName } from './names.ts'

/** Numbers of record types that this room reads, and of the questions for all. */
export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const

/** The internet's; the only one with meaning here. */
export const CLASS_IN = 1
export const CLASS_ANY = 255

/** RFC 1035 §4.1.1, RFC 6891 §9. */
export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const

export const OPCODE_QUERY = 0

/** A whole message, as it was understood. */
export interface DnsMessage {
  readonly id: number
  readonly isResponse: boolean
  /** 0 to 15. */
  readonly opcode: number
  /** AA: by whom the name belongs to. */
  readonly isAuthoritative: boolean
  /** TC: there is more than fits. */
  readonly isTruncated: boolean
  /** RD and RA. */
  readonly wantsRecursion: boolean
  readonly offersRecursion: boolean
  /** AD and CD, of DNSSEC. */
  readonly isAuthentic: boolean
  readonly isCheckingDisabled: boolean
  /** 0 to 4095; over 15 only with `edns`. */
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly ResourceRecord[]
  readonly edns: Edns | undefined
}

export interface Question {
  readonly name: DomainName
  /** Of `recordTypes`, or any other number. */
  readonly type: number
  readonly class: number
}

export type ResourceRecord = RecordData & {
  readonly name: DomainName
  readonly class: number
  /** 0 to 2^31 - 1 (RFC 2181 §8). */
  readonly ttlSeconds: number
}

/** What a record of class IN says; every other class and type is `other`. */
export type RecordData =
  | { readonly type: 'A'; readonly ip: IpAddress }
  /** An IPv4 address stands for its IPv4-mapped form, as everywhere in `shared/net`. */
  | { readonly type: 'AAAA'; readonly ip: IpAddress }
  | { readonly type: 'CNAME' | 'NS' | 'PTR'; readonly target: DomainName }
  | {
      readonly type: 'SRV'
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: DomainName
    }
  | {
      readonly type: 'SOA'
      readonly primary: DomainName
      readonly mailbox: DomainName
      readonly serial: number
      readonly refreshSeconds: number
      readonly retrySeconds: number
      readonly expireSeconds: number
      /** How long "there is no such name" may be remembered (RFC 2308). */
      readonly minimumSeconds: number
    }
  /** At least one text, each at most 255 bytes, latin1. */
  | { readonly type: 'TXT'; readonly texts: readonly string[] }
  | { readonly type: 'other'; readonly code: number; readonly bytes: Uint8Array }

/** RFC 6891: what the OPT record says. */
export interface Edns {
  /** The largest UDP message that its sender takes. */
  readonly udpBytes: number
  readonly version: number
  /** DO: wants signatures. */
  readonly wantsDnssec: boolean
  readonly options: readonly { readonly code: number; readonly bytes: Uint8Array }[]
}

/** Bytes that are no message, and why. */
export interface MalformedMessage {
  readonly kind: 'malformed'
  readonly problem: string
}

export type ReadMessage = { readonly kind: 'message'; readonly message: DnsMessage } | MalformedMessage
