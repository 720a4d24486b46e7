import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { TokenIssuer } from '#shared/l7'
import type { Counter } from '#shared/telemetry'
import type { FetchDocument } from './fetch-document.ts'
import { KeySet } from './key-set.ts'

const MINUTE_MS = 60_000
/** Keys are fetched again when they are used at this age. */
const REFRESH_MS = 20 * MINUTE_MS
/** Older keys are not used before another fetch was tried: the issuer may have taken one back long ago. */
const STALE_MS = 2 * REFRESH_MS
const FIRST_RETRY_MS = MINUTE_MS
const LAST_RETRY_MS = 60 * MINUTE_MS
/** A token with a key that is not known may fetch keys again so often. */
const UNKNOWN_KEY_MS = MINUTE_MS

type RemoteSource = Exclude<TokenIssuer['keys'], { kind: 'inline' }>

export interface RemoteKeysParts {
  readonly clock: Clock
  readonly fetchDocument: FetchDocument
  readonly fetches: Counter
  readonly failures: Counter
  onFailure(error: MeshError): void
}

/**
 * The keys of one issuer that somebody else keeps. They are fetched when a token needs them, never by a timer, and by one
 * request at a time, however many tokens wait. After a failure the last good keys stay; without any, no token is valid.
 */
export class RemoteKeys {
  readonly #issuer: string
  readonly #source: RemoteSource
  readonly #parts: RemoteKeysParts
  #keys: KeySet | undefined
  #fetchedAtMs = Number.NEGATIVE_INFINITY
  #triedAtMs = Number.NEGATIVE_INFINITY
  /** When a token last had a key that was not known. */
  #missedAtMs = Number.NEGATIVE_INFINITY
  #retryMs = FIRST_RETRY_MS
  #hasFailed = false
  #fetching: Promise<void> | undefined

  constructor(issuer: string, source: RemoteSource, parts: RemoteKeysParts) {
    this.#issuer = issuer
    this.#source = source
    this.#parts = parts
  }

  /** Undefined = there are none, and it is not yet time to try again. */
  get(): KeySet | undefined | Promise<KeySet | undefined> {
    const ageMs = this.#parts.clock.monotonicMs() - this.#fetchedAtMs
    if (ageMs < REFRESH_MS) return this.#keys
    if (this.#fetching === undefined && !this.#mayTry(this.#hasFailed ? this.#retryMs : 0)) return this.#keys
    const fetched = this.#fetch()
    return ageMs < STALE_MS ? this.#keys : fetched.then(() => this.#keys)
  }

  /** For a token that none of the keys fits. */
  getNewer(): KeySet | undefined | Promise<KeySet | undefined> {
    const nowMs = this.#parts.clock.monotonicMs()
    const isTooSoon = nowMs - this.#missedAtMs < UNKNOWN_KEY_MS || (this.#hasFailed && !this.#mayTry(this.#retryMs))
    if (this.#fetching === undefined && isTooSoon) return this.#keys
    this.#missedAtMs = nowMs
    return this.#fetch().then(() => this.#keys)
  }

  #mayTry(afterMs: number): boolean {
    return this.#parts.clock.monotonicMs() - this.#triedAtMs >= afterMs
  }

  /** Never rejects. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchOnce().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  async #fetchOnce(): Promise<void> {
    const { clock, fetches, failures, onFailure } = this.#parts
    this.#triedAtMs = clock.monotonicMs()
    fetches.value++
    try {
      this.#keys = await this.#read()
      this.#fetchedAtMs = clock.monotonicMs()
      this.#hasFailed = false
      this.#retryMs = FIRST_RETRY_MS
    } catch (error) {
      failures.value++
      if (this.#hasFailed) this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
      this.#hasFailed = true
      // Whatever a rule's author has written: it must not end the process.
      onFailure(error instanceof MeshError ? error : unreadable(this.#issuer, reasonOf(error), error))
    }
  }

  async #read(): Promise<KeySet> {
    const { timeoutMs } = this.#source
    const uri = this.#source.kind === 'remote' ? this.#source.uri : await this.#discover()
    const keys = KeySet.read(await this.#parts.fetchDocument(uri, timeoutMs))
    if (keys === undefined) throw unreadable(uri, 'is no JSON Web Key Set')
    return keys
  }

  async #discover(): Promise<string> {
    const uri = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const text = await this.#parts.fetchDocument(uri, this.#source.timeoutMs)
    const found = jwksUriOf(text)
    if (found === undefined) throw unreadable(uri, 'names no jwks_uri')
    return found
  }
}

function unreadable(uri: string, why: string, cause?: unknown): MeshError {
  return new MeshError('TOKEN_KEYS_UNAVAILABLE', `${JSON.stringify(uri.slice(0, 256))} ${why}`, { cause })
}

function jwksUriOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('jwks_uri' in value)) return undefined
    return typeof value.jwks_uri === 'string' ? value.jwks_uri : undefined
  } catch {
    return undefined
  }
}
