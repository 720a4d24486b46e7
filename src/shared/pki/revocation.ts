import type { CertificateFields } from './certificate.ts'
import type { RevocationList } from './crl.ts'
import { DerReader, tags } from './der.ts'
import { oids } from './oids.ts'
import type { PeerChain } from './peer-chain.ts'

/** The bit of keyUsage that allows to sign lists (RFC 5280 §4.2.1.3), in its first byte. */
const CRL_SIGN = 0x02

/**
 * The serial number of the first certificate of a chain that its own authority has taken back; undefined when none has
 * been. A certificate is judged only by lists of its issuer's name that one of the issuer's keys has signed; without
 * such a list nothing is known of it, which passes. A list that is past its next update still counts.
 */
export function revokedSerial(chain: PeerChain, lists: readonly RevocationList[]): string | undefined {
  for (const { issuer, serial } of chain.certificates) {
    for (const list of lists) {
      if (list.issuer === issuer && list.serials.has(serial) && isFrom(list, chain)) return serial
    }
  }
  return undefined
}

function isFrom(list: RevocationList, { certificates, roots }: PeerChain): boolean {
  const isAuthor = (one: CertificateFields): boolean =>
    one.subject === list.issuer && maySignLists(one) && list.isSignedBy(one.publicKeyDer)
  return certificates.some(isAuthor) || roots.some(isAuthor)
}

function maySignLists({ extensions }: CertificateFields): boolean {
  const usage = extensions.get(oids.keyUsage)
  if (usage === undefined) return true
  const [, bits = 0] = new DerReader(usage).read(tags.bitString).content
  return (bits & CRL_SIGN) !== 0
}
