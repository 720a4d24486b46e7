import type { SecureContext } from 'node:tls'
import type { SpiffeId } from '#shared/model'

/** A fresh P-256 key pair and its CSR: empty subject, one critical URI SAN (hbone-and-ztunnel c). */
export interface CertificateRequest {
  /** PKCS#8 PEM. Never logged, never written with a mode wider than 0600. */
  readonly privateKeyPem: string
  readonly csrPem: string
}

/** Roots that came with an identity; peers of that identity are verified against these and no others. */
export interface TrustBundle {
  readonly rootsPem: readonly string[]
}

/** Facts of one certificate, for dumps and timers. */
export interface CertificateFacts {
  readonly pem: string
  /** Decimal. */
  readonly serialNumber: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** A leaf with its key, chain and trust; immutable. A renewal is another object. */
export interface WorkloadCertificate {
  readonly id: SpiffeId
  readonly leaf: CertificateFacts
  /** Leaf first, then intermediates, no root. */
  readonly chain: readonly CertificateFacts[]
  readonly roots: readonly CertificateFacts[]
  readonly trust: TrustBundle
  /** Half of the life: notBefore + (notAfter − notBefore) / 2. */
  readonly renewAtMs: number
  /** One cached TLS context, of version 1.3 unless told otherwise; AES-128-GCM first, then AES-256-GCM. */
  readonly secureContext: SecureContext
}
