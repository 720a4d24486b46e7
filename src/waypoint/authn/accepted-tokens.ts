import type { TokenIssuer } from '#shared/l7'
import type { KeySet } from './key-set.ts'
import type { ClaimedToken } from './read-token.ts'
import type { VerifiedToken } from './types.ts'

/** A token that a rule has taken, with the keys that it was verified with. */
export interface AcceptedToken {
  readonly rule: TokenIssuer
  readonly keys: KeySet
  readonly token: ClaimedToken
  readonly verified: VerifiedToken
}

const MAX_TOKENS = 4_096
/** Of a signature, which is random: 240 bits. */
const END_CHARS = 40
/** Of all texts together; what is read from them is a small multiple of it. */
const MAX_CHARS = 4 * 1024 * 1024

/**
 * Tokens that were verified before, since clients show the same one with each request. They are found by the end of their
 * signature and then compared, which costs less than a digest of the whole text; of two with the same end the newer one
 * stays. The one that was not seen longest goes first.
 */
export class AcceptedTokens {
  readonly #byEnd = new Map<string, AcceptedToken>()
  #chars = 0

  get size(): number {
    return this.#byEnd.size
  }

  /** Whoever gets one looks whether it is still of that rule, those keys and the present time. */
  get(text: string): AcceptedToken | undefined {
    const end = endOf(text)
    const found = this.#byEnd.get(end)
    if (found === undefined || found.token.text !== text) return undefined
    if (this.#byEnd.size > MAX_TOKENS / 2) {
      // To the end of the line: maps keep their order.
      this.#byEnd.delete(end)
      this.#byEnd.set(end, found)
    }
    return found
  }

  put(accepted: AcceptedToken): void {
    const { text } = accepted.token
    this.#remove(endOf(text))
    this.#byEnd.set(endOf(text), accepted)
    this.#chars += text.length
    for (const oldest of this.#byEnd.keys()) {
      if (this.#byEnd.size <= MAX_TOKENS && this.#chars <= MAX_CHARS) return
      this.#remove(oldest)
    }
  }

  #remove(end: string): void {
    const there = this.#byEnd.get(end)
    if (there === undefined) return
    this.#byEnd.delete(end)
    this.#chars -= there.token.text.length
  }
}

function endOf(text: string): string {
  return text.slice(-END_CHARS)
}
