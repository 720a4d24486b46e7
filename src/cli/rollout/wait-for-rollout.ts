import { type Clock, sleep } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { ControlPlanes, Page } from './control-planes.ts'
import { type Outcome, outcomeOf, type RolloutAnswer, readRollout } from './rollout-answer.ts'

/** What is waited for; without it, everything that the control planes know when they are asked first. */
export interface WrittenObject {
  /** `AuthorizationPolicy.security.istio.io`, `Pod`. */
  readonly kind: string
  /** `NAMESPACE/NAME`, or the name alone. */
  readonly object: string
  /** What the API answered the write with. */
  readonly revision: string
}

/** A kind with its group, as two groups may have one of the same name. */
export function kindName({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? kind : `${kind}.${apiVersion.slice(0, slash)}`
}

export interface RolloutWait {
  readonly clock: Clock
  readonly timeoutMs: number
}

/** As long as a replica holds its answer back while there is something to wait for. */
const HOLD_MS = 1_000
/** Between tries when a replica cannot be asked: it may be about to come back. */
const RETRY_MS = 200

/**
 * Waits until every proxy that needs a change runs with it.
 *
 * @returns how many proxies that are; undefined when no control plane runs
 * @throws MeshError `COMMAND_FAILED` when a proxy refused it, or time is up, with whom it waits for
 */
export async function waitForRollout(
  planes: ControlPlanes,
  object: WrittenObject | undefined,
  { clock, timeoutMs }: RolloutWait,
): Promise<number | undefined> {
  const untilMs = clock.monotonicMs() + timeoutMs
  for (;;) {
    const leftMs = untilMs - clock.monotonicMs()
    const pages = await planes.ask(pathOf(object, Math.max(0, Math.min(HOLD_MS, Math.floor(leftMs)))))
    if (pages.length === 0) return undefined
    const outcome: Outcome = outcomeOf(pages.map(answerOf))
    if (outcome.kind === 'done') return outcome.proxies
    if (outcome.kind === 'refused') throw new MeshError('COMMAND_FAILED', outcome.reason)
    if (clock.monotonicMs() >= untilMs)
      throw new MeshError(
        'COMMAND_FAILED',
        `timed out after ${Number((timeoutMs / 1_000).toFixed(1))} s waiting for proxies: ${outcome.reason}`,
      )
    if (pages.some(({ kind }) => kind === 'failed')) await sleep(clock, RETRY_MS)
  }
}

function answerOf(page: Page): RolloutAnswer {
  if (page.kind === 'answered') return readRollout(page.text, page.istiod)
  return { state: 'unseen', reason: `${page.istiod} cannot be asked: ${page.reason}` }
}

function pathOf(object: WrittenObject | undefined, waitMs: number): string {
  const query = new URLSearchParams({ ...object, waitMs: String(waitMs) })
  return `/debug/rolloutz?${query}`
}
