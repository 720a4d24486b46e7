import type { ActiveCluster } from '../balance/index.ts'

/** Where nothing is configured: retries in store at the beginning and at most … */
const STORE = 100
/** … what each request adds … */
const STORED_PER_REQUEST = 0.2
/** … and how many may be under way even when the store is empty. */
const ALWAYS = 3

interface Account {
  /** Retries in back-off, which the cluster's count of requests does not hold. */
  waiting: number
  stored: number
}

/**
 * How many retries a cluster bears. With a `retryBudget` or `maxRetries` that says it: a share of the requests under way,
 * or a number, and retries that wait for their time count. Without either Istio has no bound at all; we let retries be a
 * fifth of the requests in the long run, with a store for the moment in which an endpoint with many requests goes.
 */
export class RetryLedger {
  readonly #accounts = new WeakMap<ActiveCluster, Account>()

  /** A first attempt. */
  request(cluster: ActiveCluster): void {
    if (isConfigured(cluster)) return
    const account = this.#of(cluster)
    account.stored = Math.min(account.stored + STORED_PER_REQUEST, STORE)
  }

  /** @returns undefined when there are too many; otherwise the retry counts from now until `end` */
  begin(cluster: ActiveCluster): Retry | undefined {
    const account = this.#of(cluster)
    if (!isAllowed(cluster, account)) return undefined
    account.stored = Math.max(account.stored - 1, 0)
    return new Retry(cluster, account)
  }

  #of(cluster: ActiveCluster): Account {
    const known = this.#accounts.get(cluster)
    if (known !== undefined) return known
    const account = { waiting: 0, stored: STORE }
    this.#accounts.set(cluster, account)
    return account
  }
}

/** One that counts. */
export class Retry {
  readonly #cluster: ActiveCluster
  readonly #account: Account
  #stage: 'waiting' | 'sent' | 'ended' = 'waiting'

  constructor(cluster: ActiveCluster, account: Account) {
    this.#cluster = cluster
    this.#account = account
    cluster.activeRetries++
    account.waiting++
  }

  /** It is among the cluster's requests from now on. */
  sent(): void {
    if (this.#stage !== 'waiting') return
    this.#stage = 'sent'
    this.#account.waiting--
  }

  end(): void {
    this.sent()
    if (this.#stage === 'ended') return
    this.#stage = 'ended'
    this.#cluster.activeRetries--
  }
}

function isConfigured({ policy }: ActiveCluster): boolean {
  return policy.retryBudget !== undefined || policy.pool.maxRetries !== undefined
}

function isAllowed(cluster: ActiveCluster, { waiting, stored }: Account): boolean {
  const { retryBudget, pool } = cluster.policy
  if (retryBudget !== undefined) {
    const share = Math.floor(((cluster.activeRequests + waiting) * retryBudget.percent) / 100)
    return cluster.activeRetries < Math.max(share, retryBudget.minimum)
  }
  if (pool.maxRetries !== undefined) return cluster.activeRetries < pool.maxRetries
  return stored >= 1 || cluster.activeRetries < ALWAYS
}
