export {
  certificateFacts,
  readCertificates,
  spiffeIdsOf,
  subjectAltNamesOf,
} from './certificate.ts'
export { type RevocationList, readRevocationLists } from './crl.ts'
export { createCsr, type ParsedCsr, parseCsr } from './csr.ts'
export {
  generateKey,
  isStrong,
  type KeyKind,
  type KeyStrength,
  keyStrength,
  privateKeyPemOf,
  readPrivateKey,
} from './keys.ts'
export { PQC_GROUPS, parseIdentity, type TlsProfile } from './parse-identity.ts'
export { type PeerChain, readPeerChain } from './peer-chain.ts'
export { revokedSerial } from './revocation.ts'
export { type CertificateTemplate, type Signer, signCertificate } from './sign-certificate.ts'
export type { SubjectAltName } from './subject-alt-names.ts'
export type { CertificateFacts, CertificateRequest, TrustBundle, WorkloadCertificate } from './types.ts'
export { verifyIdentity } from './verify-identity.ts'
export { judgeClient, judgeServer, type PeerVerdict, peerSpiffeId, peerSpiffeIds } from './verify-peer.ts'
