import type { Workload } from '#shared/model'
import {
  type ConnectionFacts,
  type Decision,
  type DryRunVerdicts,
  decide,
  denialReason,
  dryRunVerdicts,
} from '#shared/policy'
import type { Logger } from '#shared/telemetry'
import type { MeshView } from '../state/index.ts'

/** Whether a connection may start, or go on. */
export type Authorization =
  | { readonly kind: 'allowed'; readonly decision: Extract<Decision, { kind: 'allowed' }> }
  | {
      readonly kind: 'denied'
      /** The full error text of a log line. */
      readonly reason: string
    }

export interface AuthorizerOptions {
  readonly view: MeshView
  /**
   * What a policy does that the workload names but nobody has sent yet: `open` = it counts as absent, as in Istio;
   * `closed` = the connection is denied until it arrives (`AMBIT_POLICY_FAIL`).
   */
  readonly unknownPolicy: 'open' | 'closed'
  readonly logger: Logger
  /** Level of the lines that tell what policies said: `info` with `AUTHZ_POLICY_INFO_LOGGING`. */
  readonly policyLogLevel: 'debug' | 'info'
}

const REJECTED = 'connection closed due to policy rejection: '

/** Names of unknown policies that were told once already; at most this many are remembered. */
const MAX_WARNED = 1024

/** Asks the policies of a workload about one connection. */
export class Authorizer {
  readonly #view: MeshView
  readonly #unknownPolicy: 'open' | 'closed'
  readonly #logger: Logger
  readonly #policyLogLevel: 'debug' | 'info'
  readonly #warned = new Set<string>()

  constructor({ view, unknownPolicy, logger, policyLogLevel }: AuthorizerOptions) {
    this.#view = view
    this.#unknownPolicy = unknownPolicy
    this.#logger = logger
    this.#policyLogLevel = policyLogLevel
  }

  /** @param workload the destination; the newest state of its uid is asked, or this one when it is gone */
  authorize(workload: Workload, facts: ConnectionFacts): Authorization {
    const newest = this.#view.workloadByUid(workload.uid) ?? workload
    const { sets, missing } = this.#view.policiesOf(newest)
    for (const key of missing) this.#warnOnce(key, newest)
    const [unknown] = missing
    if (unknown !== undefined && this.#unknownPolicy === 'closed') {
      return { kind: 'denied', reason: `${REJECTED}policy not known yet: ${unknown}` }
    }
    const decision = decide(sets, facts)
    if (this.#logger.isEnabled(this.#policyLogLevel)) this.#logDecision(decision, dryRunVerdicts(sets, facts))
    return decision.kind === 'allowed'
      ? { kind: 'allowed', decision }
      : { kind: 'denied', reason: REJECTED + denialReason(decision) }
  }

  /** Once per policy, however many connections ask. */
  #warnOnce(key: string, workload: Workload): void {
    if (this.#warned.has(key)) return
    if (this.#warned.size >= MAX_WARNED) this.#warned.clear()
    this.#warned.add(key)
    const effect = this.#unknownPolicy === 'open' ? 'it is skipped until it arrives' : 'its connections are denied'
    this.#logger.warn(`policy is named by a workload but not known: ${effect}`, { policy: key, workload: workload.uid })
  }

  #logDecision(decision: Decision, dryRun: DryRunVerdicts): void {
    const say = (message: string, policy?: string): void => this.#logger[this.#policyLogLevel](message, { policy })
    if (decision.by === 'policy') say(`${decision.kind === 'denied' ? 'deny' : 'allow'} policy match`, decision.policy)
    else say(decision.kind === 'allowed' ? 'no allow policies, allow' : 'no allow policies matched')
    if (dryRun.denied !== undefined) say('dry-run: deny policy match', dryRun.denied.policy)
    if (dryRun.allowed === 'no-match') say('dry-run: no allow policies match')
    else if (dryRun.allowed !== undefined) say('dry-run: allow policy match', dryRun.allowed.policy)
  }
}
