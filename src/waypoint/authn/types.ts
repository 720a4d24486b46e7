import type { SpiffeId } from '#shared/model'

/** Who asks. */
export interface Principal {
  /** Proven by mTLS. */
  readonly peer: SpiffeId | undefined
  /** Of a verified token; undefined = none came, and none was needed. */
  readonly token: VerifiedToken | undefined
}

export interface VerifiedToken {
  /** `iss/sub`. */
  readonly principal: string
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
  /** `azp`. */
  readonly presenter: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
  /** Claims to read as lists with spaces between. */
  readonly spacedClaims: readonly string[]
}
