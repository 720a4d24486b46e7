import { type DnsMessage, type DomainName, parseName, type Question, recordTypes } from '#shared/dns'

/** A query with nothing in it but what the test says. */
export function message(given: Partial<DnsMessage> = {}): DnsMessage {
  return {
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
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
    edns: undefined,
    ...given,
  }
}

export function name(text: string): DomainName {
  const read = parseName(text)
  if (read === undefined) throw new TypeError(`no name: ${text}`)
  return read
}

export function question(text: string, type: number = recordTypes.A): Question {
  return { name: name(text), type, class: 1 }
}
