import { createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, errors, exportJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { Clock } from '#shared/clock'
import type { UserInfo } from '../types.ts'

/** The issuer that kubeadm gives clusters, so that whoever expects it works unchanged. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local'
/** Tokens for the API itself carry one of these. */
export const API_AUDIENCES: readonly string[] = [ISSUER, 'https://kubernetes.default.svc']
const ALGORITHM = 'ES256'
const MAX_TOKEN_LENGTH = 8192

/** An object that a token dies with. */
export interface BoundObject {
  readonly name: string
  readonly uid: string
}

/** What a service-account token says. */
export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: BoundObject
  readonly pod?: BoundObject | undefined
  readonly node?: BoundObject | undefined
  readonly secret?: BoundObject | undefined
}

export interface VerifiedToken {
  readonly subject: TokenSubject
  readonly audiences: readonly string[]
  readonly id: string
  readonly expiresAtMs: number
}

/** Whether the objects that a token is bound to are still the same ones. */
export type IsAlive = (subject: TokenSubject) => boolean

/** Issues and verifies tokens of service accounts (RFC 7519, claims of Kubernetes' bound tokens). */
export class ServiceAccountTokens {
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject
  readonly #clock: Clock
  readonly #isAlive: IsAlive
  #jwk: Promise<JWK> | undefined

  constructor(key: KeyObject, clock: Clock, isAlive: IsAlive) {
    this.#privateKey = key
    this.#publicKey = createPublicKey(key)
    this.#clock = clock
    this.#isAlive = isAlive
  }

  async issue(
    subject: TokenSubject,
    audiences: readonly string[],
    lifeSeconds: number,
  ): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
    const { kid = '' } = await this.jwk()
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1000)
    const { namespace, serviceAccount, pod, node, secret } = subject
    const bound = { namespace, serviceaccount: serviceAccount, pod, node, secret }
    const token = await new SignJWT({ 'kubernetes.io': bound })
      .setProtectedHeader({ alg: ALGORITHM, kid })
      .setIssuer(ISSUER)
      .setSubject(usernameOf(subject))
      .setAudience([...audiences])
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + lifeSeconds)
      .setJti(randomUUID())
      .sign(this.#privateKey)
    return { token, expiresAtMs: (nowSeconds + lifeSeconds) * 1000 }
  }

  /** @returns what it says, or why it does not count */
  async verify(token: string): Promise<VerifiedToken | { readonly problem: string }> {
    if (token.length > MAX_TOKEN_LENGTH) return { problem: 'the token is too long' }
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        currentDate: new Date(this.#clock.nowMs()),
        requiredClaims: ['sub', 'aud', 'exp'],
      })
      return this.#read(payload)
    } catch (error) {
      if (error instanceof errors.JOSEError) return { problem: error.message }
      throw error
    }
  }

  /** The public key, for `/openid/v1/jwks`. */
  jwk(): Promise<JWK> {
    this.#jwk ??= this.#makeJwk()
    return this.#jwk
  }

  async #makeJwk(): Promise<JWK> {
    const jwk = await exportJWK(this.#publicKey)
    return { ...jwk, use: 'sig', alg: ALGORITHM, kid: await calculateJwkThumbprint(jwk) }
  }

  #read(payload: JWTPayload): VerifiedToken | { readonly problem: string } {
    // Only this server signs with this key, and only in `issue`.
    const { serviceaccount, ...bound } = payload['kubernetes.io'] as Omit<TokenSubject, 'serviceAccount'> & {
      readonly serviceaccount: BoundObject
    }
    const subject: TokenSubject = { ...bound, serviceAccount: serviceaccount }
    if (!this.#isAlive(subject)) return { problem: 'what the token was bound to is no more' }
    const audiences = [payload.aud ?? []].flat()
    return { subject, audiences, id: payload.jti ?? '', expiresAtMs: (payload.exp ?? 0) * 1000 }
  }
}

export function usernameOf({ namespace, serviceAccount }: TokenSubject): string {
  return `system:serviceaccount:${namespace}:${serviceAccount.name}`
}

/** The user that a token stands for. */
export function userOf({ subject, id }: VerifiedToken): UserInfo {
  const { namespace, serviceAccount, pod, node } = subject
  return {
    username: usernameOf(subject),
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra: {
      'authentication.kubernetes.io/credential-id': [`JTI=${id}`],
      ...(pod === undefined
        ? {}
        : { 'authentication.kubernetes.io/pod-name': [pod.name], 'authentication.kubernetes.io/pod-uid': [pod.uid] }),
      ...(node === undefined
        ? {}
        : {
            'authentication.kubernetes.io/node-name': [node.name],
            'authentication.kubernetes.io/node-uid': [node.uid],
          }),
    },
  }
}
