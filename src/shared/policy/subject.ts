import { spiffeParts } from '#shared/model'
import { type IpAddress, ipFamily, ipToBytes } from '#shared/net'
import type { ConnectionFacts } from './types.ts'

const SPIFFE_SCHEME = 'spiffe://'

/** `ConnectionFacts` in the shapes that compiled rules compare with; made once per decision. */
export class Subject {
  /** SPIFFE id without `spiffe://`; undefined for a peer without identity. */
  readonly principal: string | undefined
  /** Empty for a peer without identity: `not_namespaces` holds, `exact ""` hits. */
  readonly namespace: string
  /** `<namespace>/<service account>`, of any trust domain; undefined for a peer without identity. */
  readonly account: string | undefined
  readonly sourceIp: IpAddress
  readonly destinationIp: IpAddress
  readonly destinationPort: number
  #sourceBytes: Uint8Array | undefined
  #destinationBytes: Uint8Array | undefined

  constructor({ peer, source, destination }: ConnectionFacts) {
    const parts = peer === undefined ? undefined : spiffeParts(peer)
    this.principal = peer?.slice(SPIFFE_SCHEME.length)
    this.namespace = parts?.namespace ?? ''
    this.account = parts === undefined ? undefined : accountKey(parts)
    this.sourceIp = source.ip
    this.destinationIp = destination.ip
    this.destinationPort = destination.port
  }

  /** The index's name for addresses of the source's family. */
  get sourcePart(): 'source-4' | 'source-6' {
    return ipFamily(this.sourceIp) === 4 ? 'source-4' : 'source-6'
  }

  get destinationPart(): 'destination-4' | 'destination-6' {
    return ipFamily(this.destinationIp) === 4 ? 'destination-4' : 'destination-6'
  }

  /** In network order; made when the first rule that names a network asks. */
  get sourceBytes(): Uint8Array {
    this.#sourceBytes ??= ipToBytes(this.sourceIp)
    return this.#sourceBytes
  }

  get destinationBytes(): Uint8Array {
    this.#destinationBytes ??= ipToBytes(this.destinationIp)
    return this.#destinationBytes
  }
}

/** Neither part can hold a slash in an identity, so two accounts never share a key. */
export function accountKey(account: { readonly namespace: string; readonly serviceAccount: string }): string {
  return `${account.namespace}/${account.serviceAccount}`
}
