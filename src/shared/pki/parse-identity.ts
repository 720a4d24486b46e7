import { constants, createHash, type KeyObject, type X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { MeshError } from '#shared/errors'
import type { SpiffeId } from '#shared/model'
import { certificateFacts, readCertificates, subjectAltNamesOf } from './certificate.ts'
import { readPrivateKey } from './keys.ts'
import type { CertificateFacts, WorkloadCertificate } from './types.ts'

/** AES-128 first: about 10 % less CPU than AES-256. ChaCha20 is not part of HBONE (hbone-and-ztunnel d.1). */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384'
/** X25519 first: ztunnel sends its one key share for it, so no hand-shake needs a second round trip (d.1). */
const GROUPS = 'X25519:P-256:P-384:X25519MLKEM768'

/** Of the same strength, for peers that speak no TLS 1.3. */
const CIPHERS_OF_TLS_12 =
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'
/** The one group of `COMPLIANCE_POLICY=pqc`. It is of TLS 1.3 only. */
export const PQC_GROUPS = 'X25519MLKEM768'

/** What of TLS a tunnel speaks beside its default, which is TLS 1.3 with every group that Istio's ztunnel offers. */
export interface TlsProfile {
  /** TLS 1.2 is taken too. */
  readonly isTls12Enabled: boolean
  /** Keys are exchanged with a post-quantum group only; who offers none is refused. */
  readonly isPqcOnly: boolean
}

const DEFAULT_PROFILE: TlsProfile = { isTls12Enabled: false, isPqcOnly: false }

/**
 * Makes an identity from its key and a CA's answer: leaf, intermediates, and as the last element the root bundle,
 * which may hold several roots (hbone-and-ztunnel c). Text that is not PEM is ignored between blocks.
 *
 * @param id what was asked for; the leaf's first URI name must be it
 * @param profile what of TLS its tunnels speak
 * @throws MeshError `CERTIFICATE_INVALID` with what is missing or does not fit
 */
export function parseIdentity(
  id: SpiffeId,
  privateKeyPem: string,
  certChain: readonly string[],
  nowMs: number,
  profile: TlsProfile = DEFAULT_PROFILE,
): WorkloadCertificate {
  const [leaf, ...intermediates] = certChain.slice(0, -1).flatMap(readCertificates)
  const roots = readCertificates(certChain.at(-1) ?? '')
  if (certChain.length === 0) throw invalid(id, 'the CA returned no certificate')
  if (certChain.length === 1 || roots.length === 0) throw invalid(id, 'no root certificate present')
  if (leaf === undefined) throw invalid(id, 'no leaf certificate present')

  const facts = certificateFacts(leaf)
  requireKey(id, leaf, readPrivateKey(privateKeyPem))
  requireName(id, leaf)
  if (facts.notAfterMs <= nowMs) throw invalid(id, `it expired at ${new Date(facts.notAfterMs).toISOString()}`)

  const chain = [facts, ...intermediates.map(certificateFacts)]
  const rootFacts = roots.map(certificateFacts)
  return {
    id,
    leaf: facts,
    chain,
    roots: rootFacts,
    trust: { rootsPem: rootFacts.map((root) => root.pem) },
    renewAtMs: facts.notBeforeMs + (facts.notAfterMs - facts.notBeforeMs) / 2,
    secureContext: contextOf(id, privateKeyPem, chain, rootFacts, profile),
  }
}

function requireKey(id: SpiffeId, leaf: X509Certificate, key: KeyObject): void {
  if (!leaf.checkPrivateKey(key)) throw invalid(id, 'it was issued for another key')
}

function requireName(id: SpiffeId, leaf: X509Certificate): void {
  const uri = subjectAltNamesOf(leaf.raw).find((name) => name.kind === 'uri')
  if (uri?.value === id) return
  throw invalid(id, `it names ${uri === undefined ? 'no URI' : JSON.stringify(uri.value.slice(0, 256))}`)
}

/**
 * One context for both ends of a tunnel. It resumes no sessions: a resumed one would outlive the check of the peer's
 * certificate. Without stateless tickets, and with no session store, OpenSSL falls back to a full hand-shake; the
 * context id is set because without one a server that asks for certificates fails hand-shakes that try to resume.
 */
function contextOf(
  id: SpiffeId,
  privateKeyPem: string,
  chain: readonly CertificateFacts[],
  roots: readonly CertificateFacts[],
  { isTls12Enabled, isPqcOnly }: TlsProfile,
): SecureContext {
  return createSecureContext({
    key: privateKeyPem,
    cert: chain.map((certificate) => certificate.pem).join(''),
    ca: roots.map((root) => root.pem),
    minVersion: isTls12Enabled ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: isTls12Enabled ? `${CIPHERS}:${CIPHERS_OF_TLS_12}` : CIPHERS,
    ecdhCurve: isPqcOnly ? PQC_GROUPS : GROUPS,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    sessionIdContext: createHash('sha256').update(id).digest('hex').slice(0, 32),
  })
}

function invalid(id: SpiffeId, problem: string): MeshError {
  return new MeshError('CERTIFICATE_INVALID', `certificate for ${id}: ${problem}`)
}
