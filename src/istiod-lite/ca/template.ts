import { MeshError } from '#shared/errors'
import type { SpiffeId } from '#shared/model'
import { type CertificateTemplate, isStrong, type ParsedCsr } from '#shared/pki'

export interface LifeSettings {
  /** Of a leaf whose request names none. */
  readonly defaultLifeMs: number
  /** A request for more is refused, not cut. */
  readonly maxLifeMs: number
}

/** A clock that is behind ours by that much still takes the certificate (istio-control-plane e). */
const MAX_BACKDATE_MS = 120_000
/** A short life is backdated less, or half of it would be over before it began, and clients renew at half. */
const BACKDATE_PART = 0.1

/**
 * What a workload's certificate says: its identity and its key. Nothing else of the request is taken over: not its
 * names, not its subject, not its extensions.
 *
 * @param issuerNotAfterMs no leaf outlives who signed it
 * @throws MeshError `CSR_INVALID` for a weak key or a life that is too long; `CERTIFICATE_INVALID` when the issuer has
 *   expired
 */
export function leafTemplate(
  id: SpiffeId,
  csr: ParsedCsr,
  validitySeconds: number,
  settings: LifeSettings,
  issuerNotAfterMs: number,
  nowMs: number,
): CertificateTemplate {
  requireStrongKey(csr)
  const lifeMs = lifeMsOf(validitySeconds, settings)
  if (issuerNotAfterMs <= nowMs) throw new MeshError('CERTIFICATE_INVALID', 'the certificate of the CA has expired')
  return {
    publicKey: csr.publicKey,
    subject: {},
    subjectAltNames: [{ kind: 'uri', value: id }],
    notBeforeMs: nowMs - Math.min(MAX_BACKDATE_MS, lifeMs * BACKDATE_PART),
    notAfterMs: Math.min(nowMs + lifeMs, issuerNotAfterMs),
    use: { kind: 'leaf' },
  }
}

/** @throws MeshError `CSR_INVALID` for a life that is too long */
export function lifeMsOf(validitySeconds: number, { defaultLifeMs, maxLifeMs }: LifeSettings): number {
  const lifeMs = validitySeconds > 0 ? validitySeconds * 1000 : defaultLifeMs
  if (lifeMs > maxLifeMs)
    throw new MeshError('CSR_INVALID', `a life of ${lifeMs / 1000} s is longer than ${maxLifeMs / 1000} s`)
  return lifeMs
}

function requireStrongKey({ strength }: ParsedCsr): void {
  if (!isStrong(strength))
    throw new MeshError('CSR_INVALID', 'the key must be P-256, P-384 or RSA of 2048 bits or more')
}
