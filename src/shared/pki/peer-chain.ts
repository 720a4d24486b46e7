import type { PeerCertificate, TLSSocket } from 'node:tls'
import { type CertificateFields, readCertificates, readFields } from './certificate.ts'
import type { WorkloadCertificate } from './types.ts'

/** More than any chain has; a longer one would not have been verified. */
const MAX_LENGTH = 16

/** What a verified peer has shown, and who may have signed it. */
export interface PeerChain {
  /** Leaf first, the root not in it. */
  readonly certificates: readonly CertificateFields[]
  /** Roots of our own identity. */
  readonly roots: readonly CertificateFields[]
}

const rootsOf = new WeakMap<WorkloadCertificate, readonly CertificateFields[]>()

/**
 * The chain of a peer that TLS has authorised against the roots of `own`.
 *
 * @throws MeshError `CERTIFICATE_INVALID` when it cannot be read
 */
export function readPeerChain(socket: TLSSocket, own: WorkloadCertificate): PeerChain {
  const certificates: CertificateFields[] = []
  let shown: PeerCertificate | undefined = socket.getPeerCertificate(true)
  while (shown?.raw !== undefined && certificates.length < MAX_LENGTH) {
    const fields = readFields(shown.raw)
    if (fields.issuer === fields.subject) break
    certificates.push(fields)
    const issuer: PeerCertificate | undefined = (shown as { issuerCertificate?: PeerCertificate }).issuerCertificate
    shown = issuer === shown ? undefined : issuer
  }
  let roots = rootsOf.get(own)
  if (roots === undefined) {
    roots = own.trust.rootsPem.flatMap(readCertificates).map((root) => readFields(root.raw))
    rootsOf.set(own, roots)
  }
  return { certificates, roots }
}
