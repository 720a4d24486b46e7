import type { IpAddress } from '#shared/net'

/** An address as a text, and as the octets that networks are compared with. */
export interface AddressFact {
  readonly ip: IpAddress
  readonly bytes: Uint8Array
}

/** What a rule may look at on any connection. Whoever gives them makes each only when it is asked for. */
export interface PeerFacts {
  /** The proven identity without `spiffe://`; undefined for a peer that has none. */
  readonly principal: string | undefined
  readonly trustDomain: string | undefined
  readonly namespace: string | undefined
  /** `<namespace>/<service account>` */
  readonly account: string | undefined
  readonly source: AddressFact
  /** Of the first client, as far as it is believed. */
  readonly remote: AddressFact
  /** All that the destination is known by. */
  readonly destinations: readonly AddressFact[]
  /** Of the service that was dialled. */
  readonly port: number
  readonly sni: string | undefined
}

export interface RequestFacts extends PeerFacts {
  readonly method: string
  /** Without query. */
  readonly path: string
  /** In lower case, with its port if it has one. */
  readonly authority: string
  /** `authority` without port. */
  readonly host: string
  readonly token: TokenFacts | undefined
  /** Every line of that lower-case name; pseudo-headers are known by their colon, and `host` is the authority. */
  header(name: string): readonly string[]
}

/** A verified token. */
export interface TokenFacts {
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
  /** `azp`. */
  readonly presenter: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
  /** Names of claims to read as lists with spaces between. */
  readonly spacedClaims: readonly string[]
}
