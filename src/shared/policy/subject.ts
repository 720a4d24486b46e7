import { spiffeParts } from '#shared/model'
import { type IpAddress, ipToBytes } from '#shared/net'
import type { ConnectionFacts } from './types.ts'

const SPIFFE_SCHEME = 'spiffe://'

/** `ConnectionFacts` in the shapes that compiled rules compare with; made once per decision. */
export interface Subject {
  /** SPIFFE id without `spiffe://`; undefined for a peer without identity. */
  readonly principal: string | undefined
  /** Empty for a peer without identity: `not_namespaces` holds, `exact ""` hits. */
  readonly namespace: string
  /** `<namespace>/<service account>`, of any trust domain; undefined for a peer without identity. */
  readonly account: string | undefined
  readonly sourceIp: IpAddress
  readonly sourceBytes: Uint8Array
  readonly destinationIp: IpAddress
  readonly destinationBytes: Uint8Array
  readonly destinationPort: number
}

export function subjectOf(facts: ConnectionFacts): Subject {
  const { peer, source, destination } = facts
  const parts = peer === undefined ? undefined : spiffeParts(peer)
  return {
    principal: peer?.slice(SPIFFE_SCHEME.length),
    namespace: parts?.namespace ?? '',
    account: parts === undefined ? undefined : accountKey(parts),
    sourceIp: source.ip,
    sourceBytes: ipToBytes(source.ip),
    destinationIp: destination.ip,
    destinationBytes: ipToBytes(destination.ip),
    destinationPort: destination.port,
  }
}

/** Neither part can hold a slash in an identity, so two accounts never share a key. */
export function accountKey(account: { readonly namespace: string; readonly serviceAccount: string }): string {
  return `${account.namespace}/${account.serviceAccount}`
}
