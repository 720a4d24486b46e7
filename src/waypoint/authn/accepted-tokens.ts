import { hash } from 'node:crypto'
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
/** Of all texts together; what is read from them is a small multiple of it. */
const MAX_CHARS = 4 * 1024 * 1024

/**
 * Tokens that were verified before, since clients show the same one with each request. By hash, so that looking one up keeps
 * no text of a stranger; the one that was not seen longest goes first.
 */
export class AcceptedTokens {
  readonly #byHash = new Map<string, AcceptedToken>()
  #chars = 0

  get size(): number {
    return this.#byHash.size
  }

  /** Whoever gets one looks whether it is still of that rule, those keys and the present time. */
  get(text: string): AcceptedToken | undefined {
    const key = hashOf(text)
    const found = this.#byHash.get(key)
    if (found !== undefined && this.#byHash.size > MAX_TOKENS / 2) {
      // To the end of the line: maps keep their order.
      this.#byHash.delete(key)
      this.#byHash.set(key, found)
    }
    return found
  }

  put(accepted: AcceptedToken): void {
    const key = hashOf(accepted.token.text)
    this.#remove(key)
    this.#byHash.set(key, accepted)
    this.#chars += accepted.token.text.length
    for (const oldest of this.#byHash.keys()) {
      if (this.#byHash.size <= MAX_TOKENS && this.#chars <= MAX_CHARS) return
      this.#remove(oldest)
    }
  }

  #remove(key: string): void {
    const there = this.#byHash.get(key)
    if (there === undefined) return
    this.#byHash.delete(key)
    this.#chars -= there.token.text.length
  }
}

function hashOf(text: string): string {
  return hash('sha256', text, 'base64')
}
