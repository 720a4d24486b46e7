import type { MeshView } from '#shared/mesh-state'
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
import type { DeniedBy } from '../connections/index.ts'
import type { Denial, Verdicts } from './verdicts.ts'

/** Whether a connection may start, or go on. */
export type Authorization =
  | { readonly kind: 'allowed'; readonly decision: Extract<Decision, { kind: 'allowed' }> }
  | {
      readonly kind: 'denied'
      /** The full error text of a log line. */
      readonly reason: string
      /** Undefined when there are ALLOW policies and none matched. */
      readonly deniedBy: DeniedBy | undefined
    }

export interface AuthorizerOptions {
  readonly view: MeshView
  /**
   * What a policy does that the workload names but nobody has sent yet: `open` = it counts as absent, as in Istio;
   * `closed` = the connection is denied until it arrives (`AMBIT_POLICY_FAIL`).
   */
  readonly unknownPolicy: 'open' | 'closed'
  readonly logger: Logger
  readonly verdicts: Verdicts
  /** Level of the lines that tell what policies said: `info` with `AUTHZ_POLICY_INFO_LOGGING`. */
  readonly policyLogLevel: 'debug' | 'info'
}

const REJECTED = 'connection closed due to policy rejection: '

/** Names of unknown policies that were told once already; at most this many are remembered. */
const MAX_WARNED = 1024

/** Asks the policies of a workload about one connection. */
export class Authorizer {
  readonly #options: AuthorizerOptions
  readonly #warned = new Set<string>()

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  /**
   * Whether a new connection may start.
   *
   * @param workload the destination; the newest state of its uid is asked, or this one when it is gone
   */
  authorize(workload: Workload, facts: ConnectionFacts): Authorization {
    return this.#ask(workload, facts, 'start')
  }

  /** Whether a live connection may go on, after policies or its workload have changed. */
  authorizeAgain(workload: Workload, facts: ConnectionFacts): Authorization {
    return this.#ask(workload, facts, 'change')
  }

  #ask(workload: Workload, facts: ConnectionFacts, when: Denial['when']): Authorization {
    const { view, unknownPolicy, logger, policyLogLevel, verdicts } = this.#options
    const newest = view.workloadByUid(workload.uid) ?? workload
    const { sets, missing } = view.policiesOf(newest)
    for (const key of missing) this.#warnOnce(key, newest)
    const [unknown] = missing
    if (unknown !== undefined && unknownPolicy === 'closed') {
      const deniedBy = { policy: unknown, rule: undefined }
      return this.#denied(newest, facts, { when, deniedBy, reason: `${REJECTED}policy not known yet: ${unknown}` })
    }
    const decision = decide(sets, facts)
    const dryRun = dryRunVerdicts(sets, facts)
    if (when === 'start') verdicts.dryRun(dryRun)
    if (logger.isEnabled(policyLogLevel)) this.#logDecision(decision, dryRun)
    if (decision.kind === 'allowed') return { kind: 'allowed', decision }
    const deniedBy = decision.by === 'policy' ? { policy: decision.policy, rule: decision.rule } : undefined
    return this.#denied(newest, facts, { when, deniedBy, reason: REJECTED + denialReason(decision) })
  }

  #denied(
    { uid }: Workload,
    facts: ConnectionFacts,
    about: Pick<Denial, 'when' | 'deniedBy' | 'reason'>,
  ): Authorization {
    this.#options.verdicts.denied({ workload: uid, facts, ...about })
    return { kind: 'denied', reason: about.reason, deniedBy: about.deniedBy }
  }

  /** Once per policy, however many connections ask. */
  #warnOnce(key: string, workload: Workload): void {
    if (this.#warned.has(key)) return
    if (this.#warned.size >= MAX_WARNED) this.#warned.clear()
    this.#warned.add(key)
    const { unknownPolicy, logger } = this.#options
    const effect = unknownPolicy === 'open' ? 'it is skipped until it arrives' : 'its connections are denied'
    logger.warn(`policy is named by a workload but not known: ${effect}`, { policy: key, workload: workload.uid })
  }

  /** Istio's words, and the rule behind its field. */
  #logDecision(decision: Decision, dryRun: DryRunVerdicts): void {
    const { logger, policyLogLevel } = this.#options
    const say = (message: string, by?: { readonly policy: string; readonly rule: number }): void =>
      logger[policyLogLevel](message, by && { policy: by.policy, rule: by.rule })
    if (decision.by === 'policy') say(`${decision.kind === 'denied' ? 'deny' : 'allow'} policy match`, decision)
    else say(decision.kind === 'allowed' ? 'no allow policies, allow' : 'no allow policies matched')
    if (dryRun.denied !== undefined) say('dry-run: deny policy match', dryRun.denied)
    if (dryRun.allowed === 'no-match') say('dry-run: no allow policies match')
    else if (dryRun.allowed !== undefined) say('dry-run: allow policy match', dryRun.allowed)
  }
}
