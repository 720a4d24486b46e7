import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import { replaceFile } from '../host/index.ts'

/** Who a projected service-account token speaks for. */
export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: string
  readonly serviceAccountUid: string
  readonly podName: string
  readonly podUid: string
  readonly node: string
}

/** The audience that Istio's CA asks for, and the issuer of a cluster's own tokens. */
const AUDIENCE = 'istio-ca'
export const TOKEN_ISSUER = 'https://kubernetes.default.svc.cluster.local'

/** Kubernetes renews a projected token at 80 % of its life; an hour is its default for such. */
const LIFE_SECONDS = 3_600
const RENEW_PART = 0.8
const RETRY_MS = 5_000

/** Signs service-account tokens as a cluster's API server would: ES256, one key that stays in the state folder. */
export class TokenSigner {
  readonly #key: KeyObject
  readonly #keyId: string
  /** JSON Web Key Set of the public half. */
  readonly jwks: string

  private constructor(key: KeyObject, keyId: string, jwks: string) {
    this.#key = key
    this.#keyId = keyId
    this.jwks = jwks
  }

  /** Reads the key of `path` or makes one there, readable by its owner only. */
  static async open(path: string): Promise<TokenSigner> {
    if (!existsSync(path)) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      replaceFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    }
    const key = createPrivateKey(readFileSync(path))
    const { kty, crv, x, y } = await exportJWK(key)
    const keyId = await calculateJwkThumbprint({ kty, crv, x, y } as Parameters<typeof calculateJwkThumbprint>[0])
    const jwk = { kty, crv, x, y, kid: keyId, alg: 'ES256', use: 'sig' }
    return new TokenSigner(key, keyId, JSON.stringify({ keys: [jwk] }))
  }

  sign(subject: TokenSubject, nowMs: number): Promise<string> {
    const { namespace, serviceAccount, serviceAccountUid, podName, podUid, node } = subject
    const now = Math.floor(nowMs / 1000)
    const claims = {
      'kubernetes.io': {
        namespace,
        node: { name: node },
        pod: { name: podName, uid: podUid },
        serviceaccount: { name: serviceAccount, uid: serviceAccountUid },
      },
    }
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: this.#keyId })
      .setIssuer(TOKEN_ISSUER)
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
      .setAudience(AUDIENCE)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + LIFE_SECONDS)
      .sign(this.#key)
  }
}

/** Keeps a token file fresh. Readers see a whole token, byte for byte without a newline, at any time. */
export class TokenFile implements Closer {
  readonly #path: string
  readonly #subject: TokenSubject
  readonly #signer: TokenSigner
  readonly #clock: Clock
  readonly #logger: Logger
  #timer: Timer | undefined
  #isClosed = false

  private constructor(path: string, subject: TokenSubject, signer: TokenSigner, clock: Clock, logger: Logger) {
    this.#path = path
    this.#subject = subject
    this.#signer = signer
    this.#clock = clock
    this.#logger = logger
  }

  /** Resolves when the file is there. */
  static async keep(
    path: string,
    subject: TokenSubject,
    { signer, clock, logger }: { readonly signer: TokenSigner; readonly clock: Clock; readonly logger: Logger },
  ): Promise<TokenFile> {
    const file = new TokenFile(path, subject, signer, clock, logger)
    await file.#write()
    return file
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  async #write(): Promise<void> {
    replaceFile(this.#path, await this.#signer.sign(this.#subject, this.#clock.nowMs()))
    this.#renewIn(LIFE_SECONDS * RENEW_PART * 1000)
  }

  #renewIn(delayMs: number): void {
    if (this.#isClosed) return
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#write().catch((error: unknown) => {
        this.#logger.error('token cannot be renewed, trying again', { path: this.#path, reason: reasonOf(error) })
        this.#renewIn(RETRY_MS)
      })
    })
  }
}
