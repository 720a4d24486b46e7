import { createHash } from 'node:crypto'
import type { Clock } from '#shared/clock'
import type { ApiDocument, KubeClient } from '#shared/kube-client'
import type { Account, Caller, TokenAuthenticator } from './authenticate.ts'
import { claimsRecord, claimText, refused } from './claims.ts'

export interface ReviewSettings {
  readonly client: Pick<KubeClient, 'create'>
  readonly audience: string
  readonly clock: Clock
}

const TOKEN_REVIEWS = {
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenReview',
  resource: 'tokenreviews',
  namespaced: false,
}
const POD_NAME = 'authentication.kubernetes.io/pod-name'
const POD_UID = 'authentication.kubernetes.io/pod-uid'
const NODE_NAME = 'authentication.kubernetes.io/node-name'
const ACCOUNTS_GROUP = 'system:serviceaccounts'

/** As long as the API server itself remembers a token: a tunnel asks for a certificate for each of its identities. */
const REMEMBERED_MS = 10_000
const MAX_REMEMBERED = 1024
/** Tokens are some kilobytes; nobody makes us carry more to the API server. */
const MAX_TOKEN_LENGTH = 16 * 1024

/** Asks the cluster whose a token is (TokenReview), which also knows of pods and accounts that are gone. */
export class TokenReviewer implements TokenAuthenticator {
  readonly #settings: ReviewSettings
  /** By the token's hash; in the order of asking. Refusals are forgotten at once. */
  readonly #reviews = new Map<string, { readonly review: Promise<ApiDocument>; readonly askedMs: number }>()

  constructor(settings: ReviewSettings) {
    this.#settings = settings
  }

  async authenticate(token: string | undefined): Promise<Caller> {
    return callerOfReview(await this.#reviewed(token), this.#settings.audience)
  }

  async account(token: string | undefined): Promise<Account> {
    return accountOfReview(await this.#reviewed(token), this.#settings.audience)
  }

  async #reviewed(token: string | undefined): Promise<ApiDocument> {
    if (token === undefined) throw refused('no bearer token')
    if (token.length > MAX_TOKEN_LENGTH) throw refused('the token is too long')
    const key = createHash('sha256').update(token).digest('base64')
    const nowMs = this.#settings.clock.monotonicMs()
    const known = this.#reviews.get(key)
    if (known !== undefined && nowMs - known.askedMs < REMEMBERED_MS) return known.review
    const review = this.#review(token)
    this.#remember(key, review, nowMs)
    return review
  }

  #remember(key: string, review: Promise<ApiDocument>, askedMs: number): void {
    this.#reviews.delete(key)
    for (const [oldest] of this.#reviews) {
      if (this.#reviews.size < MAX_REMEMBERED) break
      this.#reviews.delete(oldest)
    }
    const entry = { review, askedMs }
    this.#reviews.set(key, entry)
    review.catch(() => {
      if (this.#reviews.get(key) === entry) this.#reviews.delete(key)
    })
  }

  /** @throws MeshError `CERTIFICATE_REFUSED` when it is of no account */
  async #review(token: string): Promise<ApiDocument> {
    const { client, audience } = this.#settings
    const answer = await client.create(TOKEN_REVIEWS, '', { spec: { token, audiences: [audience] } })
    accountOfReview(answer, audience)
    return answer
  }
}

/** @throws MeshError `CERTIFICATE_REFUSED` */
export function accountOfReview(review: ApiDocument, audience: string): Account {
  const status = claimsRecord(review.status)
  if (status.authenticated !== true) {
    const reason = typeof status.error === 'string' ? `: ${status.error.slice(0, 256)}` : ''
    throw refused(`the API server does not know the token${reason}`)
  }
  // Without audiences the server did not look at them (TokenReview: "audience-unaware"), which is no yes.
  if (!Array.isArray(status.audiences) || !status.audiences.includes(audience))
    throw refused(`the token is not for ${audience}`)
  const user = claimsRecord(status.user)
  const groups = Array.isArray(user.groups) ? user.groups : []
  if (!groups.includes(ACCOUNTS_GROUP)) throw refused('the token is of no service account')
  const [, , namespace, serviceAccount, ...more] = claimText(user, 'username').split(':')
  if (user.username !== `system:serviceaccount:${namespace}:${serviceAccount}` || more.length > 0)
    throw refused('the token is of no service account')
  if (!namespace || !serviceAccount) throw refused('the token is of no service account')
  return { namespace, serviceAccount }
}

/**
 * What a TokenReview says of its token.
 * @throws MeshError `CERTIFICATE_REFUSED`
 */
export function callerOfReview(review: ApiDocument, audience: string): Caller {
  const account = accountOfReview(review, audience)
  const extra = claimsRecord(claimsRecord(claimsRecord(review.status).user).extra)
  return {
    ...account,
    podName: only(extra, POD_NAME),
    podUid: only(extra, POD_UID),
    nodeName: extra[NODE_NAME] === undefined ? undefined : only(extra, NODE_NAME),
  }
}

/** Extras are lists; one that says two things says nothing. */
function only(extra: Readonly<Record<string, unknown>>, name: string): string {
  const values = extra[name]
  if (!Array.isArray(values) || values.length !== 1) throw refused(`the token is bound to no ${name.split('/')[1]}`)
  return claimText({ [name]: values[0] }, name)
}
