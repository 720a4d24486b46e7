import type { Metrics } from '#shared/telemetry'

/** What the CA counts, under istiod's names (istio-control-plane f). */
export interface CaMetrics {
  asked(): void
  /** Not authenticated, or not entitled. */
  refused(): void
  unreadable(): void
  /** Runs and counts one signature. */
  signing(sign: () => string): string
}

export function registerCaMetrics(metrics: Metrics): CaMetrics {
  const asked = metrics.plainCounters('citadel_server_csr_count', 'Certificate requests', []).with()
  const refused = metrics
    .plainCounters(
      'citadel_server_authentication_failure_count',
      'Requests of callers that are not known or not entitled',
      [],
    )
    .with()
  const unreadable = metrics
    .plainCounters('citadel_server_csr_parsing_err_count', 'Requests that could not be read', [])
    .with()
  const failed = metrics.plainCounters('citadel_server_csr_sign_err_count', 'Requests that could not be signed', [
    'error',
  ])
  const issued = metrics.plainCounters('citadel_server_success_cert_issuance_count', 'Certificates issued', []).with()
  return {
    asked: () => void asked.value++,
    refused: () => void refused.value++,
    unreadable: () => void unreadable.value++,
    signing(sign) {
      try {
        const pem = sign()
        issued.value++
        return pem
      } catch (error) {
        failed.with('CERT_GEN_ERROR').value++
        throw error
      }
    },
  }
}
