import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { claimsRecord, claimText, refused } from './claims.ts'

/** Whose a token is; a person's, too, who may use the account. */
export interface Account {
  readonly namespace: string
  readonly serviceAccount: string
}

/** A pod that proved who it is with its service account's token. Node names are as the token says, signed. */
export interface Caller extends Account {
  readonly podName: string
  readonly podUid: string
  /** Undefined: the token's issuer does not say (Kubernetes before 1.30). */
  readonly nodeName: string | undefined
}

/** Says whose a token is. */
export interface TokenAuthenticator {
  /** @throws MeshError `CERTIFICATE_REFUSED` with the reason, which is for the log and not for the caller */
  authenticate(token: string | undefined): Promise<Caller>
  /** The same for a token that need not be bound to a pod. */
  account(token: string | undefined): Promise<Account>
}

export interface JwksSettings {
  /** JSON Web Key Set of those who may issue tokens; read again when it changes. */
  readonly file: string
  readonly audience: string
  /** Undefined = any issuer whose key is in the set. */
  readonly issuer: string | undefined
  readonly clock: Clock
}

/** Signatures that Kubernetes makes; never `none`, never one with a shared secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512']
const CLOCK_TOLERANCE_SECONDS = 10
/** The file is looked at this often at most. */
const RECHECK_MS = 1_000
const MAX_FILE_BYTES = 1024 * 1024

type KeySet = ReturnType<typeof createLocalJWKSet>

/** Verifies Kubernetes service-account tokens against a key set in a file. */
export class JwksAuthenticator implements TokenAuthenticator {
  readonly #settings: JwksSettings
  #keys: { readonly set: KeySet; readonly stamp: string; readonly checkedMs: number } | undefined

  constructor(settings: JwksSettings) {
    this.#settings = settings
  }

  /** @throws MeshError `CONFIG_INVALID` when the key set cannot be read now */
  async check(): Promise<void> {
    await this.#keySet()
  }

  async authenticate(token: string | undefined): Promise<Caller> {
    return this.#verified(token, callerOf)
  }

  async account(token: string | undefined): Promise<Account> {
    return this.#verified(token, accountOf)
  }

  async #verified<T>(token: string | undefined, read: (payload: JWTPayload) => T): Promise<T> {
    if (token === undefined) throw refused('no bearer token')
    const keys = await this.#keySet()
    const { audience, issuer, clock } = this.#settings
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ALGORITHMS,
        audience,
        ...(issuer === undefined ? {} : { issuer }),
        requiredClaims: ['exp', 'sub'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.nowMs()),
      })
      return read(payload)
    } catch (cause) {
      if (cause instanceof MeshError) throw cause
      throw refused(`token of ${fingerprint(token)} is not valid: ${reasonOf(cause)}`, cause)
    }
  }

  async #keySet(): Promise<KeySet> {
    const { file, clock } = this.#settings
    const nowMs = clock.monotonicMs()
    if (this.#keys !== undefined && nowMs - this.#keys.checkedMs < RECHECK_MS) return this.#keys.set
    try {
      const { ino, size, mtimeNs } = await stat(file, { bigint: true })
      if (size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`)
      const stamp = [ino, size, mtimeNs].join(':')
      const set =
        this.#keys?.stamp === stamp ? this.#keys.set : createLocalJWKSet(JSON.parse(await readFile(file, 'utf8')))
      this.#keys = { set, stamp, checkedMs: nowMs }
      return set
    } catch (cause) {
      // Fail closed: keys that were taken away on purpose must not go on working.
      throw new MeshError('CONFIG_INVALID', `token key set ${file} cannot be read: ${reasonOf(cause)}`, { cause })
    }
  }
}

function accountOf(payload: JWTPayload): Account {
  const kubernetes = claimsRecord(payload['kubernetes.io'])
  const namespace = claimText(kubernetes, 'namespace')
  const serviceAccount = claimText(claimsRecord(kubernetes.serviceaccount), 'name')
  if (payload.sub !== `system:serviceaccount:${namespace}:${serviceAccount}`)
    throw refused('the subject and the claims of the token name different accounts')
  return { namespace, serviceAccount }
}

/** The claims of a bound service-account token (Kubernetes "Bound service account tokens"). */
function callerOf(payload: JWTPayload): Caller {
  const account = accountOf(payload)
  const kubernetes = claimsRecord(payload['kubernetes.io'])
  const pod = claimsRecord(kubernetes.pod)
  const node = kubernetes.node === undefined ? undefined : claimText(claimsRecord(kubernetes.node), 'name')
  return { ...account, podName: claimText(pod, 'name'), podUid: claimText(pod, 'uid'), nodeName: node }
}

/** Enough to find a token's origin in two logs, and nothing of the token. */
function fingerprint(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12)
}
