import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type ParsedCsr, parseCsr } from '#shared/pki'
import type { Logger } from '#shared/telemetry'
import type { CertificateCall, IssueCertificate } from '#shared/xds'
import { type AuthorityKeeper, signChecked } from '../authority/index.ts'
import type { Caller, TokenAuthenticator } from './authenticate.ts'
import type { CaMetrics } from './ca-metrics.ts'
import { decideEntitlement, type EntitlementFacts, type EntitlementSettings } from './entitlement.ts'
import { RateLimit, type RateSettings } from './rate-limit.ts'
import { type LifeSettings, leafTemplate, lifeMsOf } from './template.ts'

export interface CaSettings extends EntitlementSettings, LifeSettings {
  readonly rate: RateSettings
}

export interface CaParts {
  readonly authority: Pick<AuthorityKeeper, 'current' | 'reserve' | 'issued'>
  readonly authenticator: TokenAuthenticator
  readonly mesh: EntitlementFacts
  readonly metrics: CaMetrics
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * A request's way to a certificate: who calls, what they may have, what it says, sign. Each step throws its own code
 * (see `IssueCertificate`); nothing of the request but its key gets into the certificate.
 */
export function certificateIssuer(parts: CaParts, settings: CaSettings): IssueCertificate {
  const { authority, clock, metrics, logger } = parts
  const rate = new RateLimit(clock, settings.rate)
  return async (call) => {
    metrics.asked()
    const caller = await authenticate(call, parts)
    if (!rate.take(callerKey(caller))) throw tooMany(caller)
    const id = entitle(caller, call, parts, settings)
    const csr = parse(call, metrics)
    await authority.reserve(lifeMsOf(call.validitySeconds, settings))
    // From here on nothing waits: the leaf is of the CA by which it is written down.
    const { signer, chainPems, rootsPem, notAfterMs, revision } = authority.current
    const template = leafTemplate(id, csr, call.validitySeconds, settings, notAfterMs, clock.nowMs())
    const leafPem = metrics.signing(() => signChecked(template, signer))
    authority.issued({ holder: callerKey(caller), id, revision, notAfterMs: template.notAfterMs })
    logger.debug('certificate issued', { id, caller: callerKey(caller), not_after_ms: template.notAfterMs })
    return [leafPem, ...chainPems, rootsPem]
  }
}

async function authenticate(call: CertificateCall, { authenticator, metrics }: CaParts): Promise<Caller> {
  try {
    return await authenticator.authenticate(call.caller.token)
  } catch (error) {
    metrics.refused()
    throw error
  }
}

function entitle(caller: Caller, call: CertificateCall, { mesh, metrics }: CaParts, settings: CaSettings) {
  const entitlement = decideEntitlement(caller, call.impersonatedIdentity, mesh, settings)
  if (entitlement.kind === 'entitled') return entitlement.id
  metrics.refused()
  throw new MeshError('CERTIFICATE_REFUSED', `${callerKey(caller)} gets no certificate: ${entitlement.reason}`)
}

function parse(call: CertificateCall, metrics: CaMetrics): ParsedCsr {
  try {
    return parseCsr(call.csrPem)
  } catch (error) {
    metrics.unreadable()
    throw error
  }
}

function callerKey(caller: Caller): string {
  return `${caller.namespace}/${caller.podName}`
}

function tooMany(caller: Caller): MeshError {
  return new MeshError('CERTIFICATE_LIMIT_EXCEEDED', `${callerKey(caller)} asks too often`)
}
