import type { Clock } from '#shared/clock'
import type { SpiffeId } from '#shared/model'
import { createCsr, parseIdentity, type TlsProfile, type WorkloadCertificate } from '#shared/pki'
import type { SigningRequest } from '#shared/xds'

/** Gets a certificate with a new key. Rejects with a MeshError that tells why there is none. */
export type FetchCertificate = (id: SpiffeId, signal: AbortSignal) => Promise<WorkloadCertificate>

/** The part of a CA client that is needed here. */
export interface CertificateAuthority {
  createCertificate(request: SigningRequest, timeoutMs: number, signal?: AbortSignal): Promise<readonly string[]>
}

/** A call to the CA is given up after this; one of our own, since the protocol sets none. */
export const FETCH_TIMEOUT_MS = 10_000

/** What an identity is made of, as it can be handed to another process. */
export interface IdentityMaterial {
  readonly privateKeyPem: string
  /** PEM, leaf first, root last. */
  readonly chainPems: readonly string[]
}

/**
 * @param profile what of TLS the identity's tunnels speak
 * @throws MeshError when key and chain make no valid identity
 */
export function identityOf(
  id: SpiffeId,
  { privateKeyPem, chainPems }: IdentityMaterial,
  clock: Clock,
  profile?: TlsProfile,
): WorkloadCertificate {
  return parseIdentity(id, privateKeyPem, chainPems, clock.nowMs(), profile)
}

/**
 * Asks the CA, on behalf of the node, for certificates of its pods' accounts.
 *
 * @param validitySeconds `SECRET_TTL`; the CA may give less
 * @param profile what of TLS the identities' tunnels speak
 * @param onMaterial told of what each certificate was made of
 */
export function fetchFrom(
  ca: CertificateAuthority,
  validitySeconds: number,
  clock: Clock,
  profile?: TlsProfile,
  onMaterial: (certificate: WorkloadCertificate, material: IdentityMaterial) => void = () => {},
): FetchCertificate {
  return async (id, signal) => {
    const { privateKeyPem, csrPem } = createCsr(id)
    const request = { csrPem, impersonatedId: id, validitySeconds }
    const chainPems = await ca.createCertificate(request, FETCH_TIMEOUT_MS, signal)
    const material = { privateKeyPem, chainPems }
    const certificate = identityOf(id, material, clock, profile)
    onMaterial(certificate, material)
    return certificate
  }
}
