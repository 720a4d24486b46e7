export { type ConnectionLabels, ConnectionMetrics, type MetricsProfile } from './connection-metrics.ts'
export {
  ConnectionReporter,
  type ConnectionReporterOptions,
  type OpenConnection,
  type Opening,
  type Outcome,
} from './connection-reporter.ts'
export { copyOutcome } from './copy-outcome.ts'
export { DnsMetrics, type DnsQuery } from './dns-metrics.ts'
export { type EarlyCause, earlyCause } from './early-cause.ts'
export { partyOf } from './party.ts'
export { CrlMetrics } from './rare-metrics.ts'
