import { expect, it } from 'vitest'
import { Metrics } from '#shared/telemetry'
import { registerCaMetrics } from '../../../../src/istiod-lite/ca/ca-metrics.ts'

it('counts under the very names that dashboards of Istio ask for', () => {
  const metrics = new Metrics()
  const ca = registerCaMetrics(metrics)
  ca.asked()
  ca.refused()
  ca.unreadable()
  expect(ca.signing(() => 'pem')).toBe('pem')
  const fails = (): string => {
    throw new Error('no key')
  }
  expect(() => ca.signing(fails)).toThrow('no key')
  const lines = metrics.print().split('\n')
  expect(lines.filter((line) => line.startsWith('citadel_'))).toEqual([
    'citadel_server_csr_count 1',
    'citadel_server_authentication_failure_count 1',
    'citadel_server_csr_parsing_err_count 1',
    'citadel_server_csr_sign_err_count{error="CERT_GEN_ERROR"} 1',
    'citadel_server_success_cert_issuance_count 1',
  ])
})
