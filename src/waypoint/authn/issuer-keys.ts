import type { TokenIssuer } from '#shared/l7'
import { KeySet } from './key-set.ts'
import type { ClaimedToken } from './read-token.ts'
import { RemoteKeys, type RemoteKeysParts } from './remote-keys.ts'
import type { TokenProblem } from './token-problem.ts'

/** Distinct places of keys at once; the one that was not asked for longest goes. */
const MAX_SOURCES = 256

/** By one of these keys; as long as the rule has the same ones, nobody needs to look again. */
export interface SignedBy {
  readonly kind: 'signed'
  readonly keys: KeySet
}

/** All keys of all issuers: those in rules, and those elsewhere, which rules of the same place share. */
export class IssuerKeys {
  readonly #parts: RemoteKeysParts
  readonly #inline = new WeakMap<TokenIssuer, KeySet | 'unreadable'>()
  readonly #remote = new Map<string, RemoteKeys>()

  constructor(parts: RemoteKeysParts) {
    this.#parts = parts
  }

  /** The keys as they are known now; undefined = they must be fetched first, or cannot be. */
  current(rule: TokenIssuer): KeySet | undefined {
    if (rule.keys.kind === 'inline') return this.#inlineOf(rule)
    const found = this.#remoteOf(rule, rule.keys).get()
    return found instanceof KeySet ? found : undefined
  }

  async verify(rule: TokenIssuer, token: ClaimedToken): Promise<SignedBy | TokenProblem> {
    const remote = rule.keys.kind === 'inline' ? undefined : this.#remoteOf(rule, rule.keys)
    let keys = remote === undefined ? this.#inlineOf(rule) : await remote.get()
    if (remote !== undefined && keys?.mayHaveSigned(token) === false) keys = await remote.getNewer()
    if (keys === undefined) return 'Jwks remote fetch is failed'
    if (!keys.mayHaveSigned(token)) return "Jwks doesn't have key to match kid or alg from Jwt"
    return (await keys.hasSigned(token)) ? { kind: 'signed', keys } : 'Jwt verification fails'
  }

  /** Keys that cannot be read are none. */
  #inlineOf(rule: TokenIssuer): KeySet | undefined {
    if (rule.keys.kind !== 'inline') return undefined
    const known = this.#inline.get(rule)
    if (known !== undefined) return known === 'unreadable' ? undefined : known
    const read = KeySet.read(rule.keys.jwks)
    this.#inline.set(rule, read ?? 'unreadable')
    return read
  }

  #remoteOf(rule: TokenIssuer, source: Exclude<TokenIssuer['keys'], { kind: 'inline' }>): RemoteKeys {
    const name = source.kind === 'remote' ? `uri ${source.uri}` : `issuer ${rule.issuer}`
    const known = this.#remote.get(name)
    const keys = known ?? new RemoteKeys(rule.issuer, source, this.#parts)
    if (known === undefined || this.#remote.size > MAX_SOURCES / 2) {
      // Moved to the end: maps keep their order.
      this.#remote.delete(name)
      this.#remote.set(name, keys)
      const [oldest] = this.#remote.keys()
      if (this.#remote.size > MAX_SOURCES && oldest !== undefined) this.#remote.delete(oldest)
    }
    return keys
  }
}
