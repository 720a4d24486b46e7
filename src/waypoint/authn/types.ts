import type { SpiffeId } from '#shared/model'
import type { TokenFacts } from '#shared/policy'

/** Who asks. */
export interface Principal {
  /** Proven by mTLS. */
  readonly peer: SpiffeId | undefined
  /** Of a verified token; undefined = none came, and none was needed. */
  readonly token: VerifiedToken | undefined
}

export interface VerifiedToken extends TokenFacts {
  /** `iss/sub`. */
  readonly principal: string
}
