import type { Clock, Timer } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import type { AuthorityKeeper } from './keeper.ts'
import { readIssuer } from './material.ts'

/** With less of its life left, a CA is warned of. Two self-signed ones in a row have changed by then. */
const WARN_PART = 0.2
const WARN_EVERY_MS = 24 * 3_600_000
/** A long life is warned of no earlier than this. */
const WARN_BEFORE_MS = 180 * 24 * 3_600_000

export type ExpiryNotice = { readonly level: 'warn' | 'error'; readonly text: string } | undefined

/** What is to be said of a life that ends. */
export function expiryNotice(notBeforeMs: number, notAfterMs: number, nowMs: number): ExpiryNotice {
  const leftMs = notAfterMs - nowMs
  const end = new Date(notAfterMs).toISOString()
  if (leftMs <= 0) return { level: 'error', text: `the CA has expired at ${end}: no certificate is signed any more` }
  if (leftMs > Math.min((notAfterMs - notBeforeMs) * WARN_PART, WARN_BEFORE_MS)) return undefined
  return { level: 'warn', text: `the CA expires at ${end}: every certificate ends with it` }
}

/** Says so once a day, from when there is a CA. */
export function warnOfExpiry(keeper: AuthorityKeeper, clock: Clock, logger: Logger): Closer {
  let timer: Timer | undefined
  let isClosed = false
  const look = (): void => {
    const { view } = keeper
    if (view === undefined || isClosed) return
    const { signing } = view.state
    const { notBeforeMs, notAfterMs } = readIssuer(signing)
    const notice = expiryNotice(notBeforeMs, notAfterMs, clock.nowMs())
    if (notice !== undefined) logger[notice.level](notice.text, { origin: signing.origin })
    timer = clock.setTimer(WARN_EVERY_MS, look)
  }
  void keeper.ready.then(look)
  return {
    close: async () => {
      isClosed = true
      timer?.cancel()
    },
  }
}

/** Ends of root and chain under istiod's names (istio-control-plane f), and how far a rotation is. */
export function registerAuthorityMetrics(metrics: Metrics, keeper: AuthorityKeeper, clock: Clock): void {
  const rootEnd = metrics.gauge('citadel_server_root_cert_expiry_timestamp', 'When the root expires, in epoch seconds')
  const rootLeft = metrics.gauge('citadel_server_root_cert_expiry_seconds', 'Seconds until the root expires')
  const chainEnd = metrics.gauge(
    'citadel_server_cert_chain_expiry_timestamp',
    'When the first certificate between a leaf and its root expires, in epoch seconds',
  )
  const chainLeft = metrics.gauge('citadel_server_cert_chain_expiry_seconds', 'Seconds until then')
  const phases = metrics.gauges('ambit_ca_phase', 'Phase of the CA: 1 for the one that it is in', ['phase'])
  const outdated = metrics.gauge('ambit_ca_outdated_certificates', 'Certificates that a rotation waits for')
  const refused = metrics.gauge('ambit_ca_problem', '1 while the state of the CA, or a plugged-in CA, is refused')
  metrics.onCollect(() => {
    const { view } = keeper
    if (view === undefined) return
    const nowMs = clock.nowMs()
    const { state, books, problem } = view
    const { root, notAfterMs } = readIssuer(state.signing)
    const rootEndMs = root.validToDate.getTime()
    rootEnd.value = rootEndMs / 1000
    rootLeft.value = (rootEndMs - nowMs) / 1000
    chainEnd.value = notAfterMs / 1000
    chainLeft.value = (notAfterMs - nowMs) / 1000
    for (const phase of ['steady', 'prepared', 'published', 'active'])
      phases.with(phase).value = phase === state.phase.kind ? 1 : 0
    outdated.value = state.phase.kind === 'steady' ? 0 : books.heldBefore(state.revision, nowMs).length
    refused.value = problem === undefined ? 0 : 1
  })
}
